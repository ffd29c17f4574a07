#pragma once
// Wavelengths in air and in vacuum.

namespace balmer::data {

/// The wavelength in standard air of a line at `vacuum` (A). Source: D. C. Morton 2000, ApJS 130,
/// 403, equation 8 (the IAU standard; dry air at 15 C, 1 atm, 0.045 % CO2).
double vacuum_to_air(double vacuum);

/// The inverse of vacuum_to_air, to the last digits of double. Wavelengths below 2000 A are given
/// in vacuum by convention, also by those who use air above, and come back as they are.
double air_to_vacuum(double air);

}  // namespace balmer::data
