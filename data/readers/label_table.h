#pragma once
// Tables of redshifts and other labels: they lie among the spectra that they describe (DESI's
// redrock and zbest, SDSS's spZbest, spAll and specObj, catalogues made of them) and hold none.

#include <optional>
#include <string>

#include "data/fits/fits_file.h"

namespace balmer::data {

/// The first table with one row an object: its survey's id and a redshift or temperature; nullptr
/// if the file has none.
const Hdu* label_table_of(const FitsFile& file);

/// DESI's own: TARGETID, Z and SPECTYPE, as redrock writes them (HDU REDSHIFTS, formerly ZBEST).
const Hdu* redshift_table_of(const FitsFile& file);

}  // namespace balmer::data
