# CUDA sources, where nvcc is found: for H100/H200 as real code (with what only they have) and for
# everything from A100 on as PTX. Nothing else of Balmer needs it.
#
# CMake 3.25 knows nvcc up to C++17 and drops CMAKE_CUDA_STANDARD 20 silently, hence the plain flag.

option(BALMER_CUDA "Compile CUDA sources where nvcc is found" OFF)
set(BALMER_HAS_CUDA OFF)
if(BALMER_CUDA)
    include(CheckLanguage)
    check_language(CUDA)
    if(CMAKE_CUDA_COMPILER)
        set(CMAKE_CUDA_ARCHITECTURES "90a-real;80" CACHE STRING "Architectures of CUDA sources")
        enable_language(CUDA)
        add_compile_options($<$<COMPILE_LANGUAGE:CUDA>:-std=c++20>)
        set(BALMER_HAS_CUDA ON)
        message(STATUS "CUDA: ${CMAKE_CUDA_COMPILER} for ${CMAKE_CUDA_ARCHITECTURES}")
    else()
        message(STATUS "CUDA: no nvcc, left out")
    endif()
endif()
