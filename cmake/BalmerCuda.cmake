# Device kernels (`*_cuda.cu`): compiled by nvcc where it is found, for H100/H200 as real code (with
# what only they have) and for everything from A100 on as PTX; and compiled a second time by the
# host compiler for the simt device, which executes the same sources thread by thread on the CPU.
# Nothing else of Balmer needs either.
#
# CMake 3.25 knows nvcc up to C++17 and drops CMAKE_CUDA_STANDARD 20 silently, hence the plain flag.

option(BALMER_CUDA "Compile CUDA sources where nvcc is found" OFF)
option(BALMER_SIMT "Compile the device kernels for the simt device too (needs Boost.Context)"
       ${BALMER_TESTS})

set(BALMER_HAS_CUDA OFF)
if(BALMER_CUDA)
    include(CheckLanguage)
    check_language(CUDA)
    if(CMAKE_CUDA_COMPILER)
        set(CMAKE_CUDA_ARCHITECTURES "90a-real;80" CACHE STRING "Architectures of CUDA sources")
        set(CMAKE_CUDA_RUNTIME_LIBRARY Static)
        enable_language(CUDA)
        find_package(CUDAToolkit REQUIRED)
        set(BALMER_HAS_CUDA ON)
        message(STATUS "CUDA: ${CMAKE_CUDA_COMPILER} for ${CMAKE_CUDA_ARCHITECTURES}")
    else()
        message(STATUS "CUDA: no nvcc, left out")
    endif()
endif()

set(BALMER_HAS_SIMT OFF)
if(BALMER_SIMT)
    find_package(Boost COMPONENTS context)
    set(BALMER_HAS_SIMT ${Boost_FOUND})
endif()

# Adds sources with device kernels to the library, for every device of this build.
function(balmer_device_sources)
    list(TRANSFORM ARGN PREPEND ${CMAKE_CURRENT_SOURCE_DIR}/ OUTPUT_VARIABLE sources)
    set_property(GLOBAL APPEND PROPERTY BALMER_DEVICE_SOURCES ${sources})
    if(BALMER_HAS_CUDA)
        target_sources(balmer PRIVATE ${sources})
    endif()
endfunction()

# What the simt device's two checking builds are compiled with: -fsanitize=thread for its hooks
# alone (kernels/simt/race_hooks.cpp).
set(BALMER_SIMT_RACE_OPTIONS -fsanitize=thread -Wno-tsan)
set(BALMER_SIMT_ADDRESS_OPTIONS -fsanitize=address,undefined -fno-sanitize-recover=all)

# Device kernels compiled by the host compiler, as objects.
function(balmer_simt_objects target)
    set_source_files_properties(${ARGN} PROPERTIES LANGUAGE CXX COMPILE_OPTIONS "-x;c++")
    add_library(${target} OBJECT ${ARGN})
    balmer_compile_options(${target})
    target_include_directories(${target} PRIVATE ${PROJECT_SOURCE_DIR})
endfunction()
