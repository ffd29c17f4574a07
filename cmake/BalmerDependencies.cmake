# What Balmer builds on; every one is a Debian package (scripts/setup installs them).

find_package(OpenMP REQUIRED)
find_package(fmt REQUIRED)
find_package(ZLIB REQUIRED)
find_package(Eigen3 3.4 REQUIRED NO_MODULE)
find_package(nlohmann_json REQUIRED)
find_package(PkgConfig REQUIRED)
pkg_check_modules(CFITSIO REQUIRED IMPORTED_TARGET cfitsio)
pkg_check_modules(XXHASH REQUIRED IMPORTED_TARGET libxxhash)
find_path(BALMER_STB_INCLUDE_DIR stb/stb_image_write.h REQUIRED)

set(BALMER_HAS_HDF5 OFF)
if(BALMER_HDF5)
    pkg_check_modules(HDF5 IMPORTED_TARGET hdf5)
    set(BALMER_HAS_HDF5 ${HDF5_FOUND})
endif()

set(BALMER_HAS_ONEDNN OFF)
if(BALMER_ONEDNN)
    find_path(BALMER_ONEDNN_INCLUDE_DIR oneapi/dnnl/dnnl.hpp)
    find_library(BALMER_ONEDNN_LIBRARY dnnl)
    if(BALMER_ONEDNN_INCLUDE_DIR AND BALMER_ONEDNN_LIBRARY)
        set(BALMER_HAS_ONEDNN ON)
    endif()
endif()

if(BALMER_PROGRAMS)
    find_package(CLI11 REQUIRED)
    find_path(BALMER_TOMLPLUSPLUS_INCLUDE_DIR toml++/toml.h REQUIRED)
endif()

message(STATUS "CPU matrix products: ${BALMER_ONEDNN_LIBRARY} (oneDNN: ${BALMER_HAS_ONEDNN}), Eigen")
