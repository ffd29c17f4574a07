# Compiler settings of Balmer's own targets.
#
# Baseline: on x86-64 the code is compiled for x86-64-v3 (AVX2 and FMA: Intel since 2013, AMD since
# 2015); -DBALMER_BASELINE=x86-64 goes lower. oneDNN picks AVX-512 or AMX at run time by itself.

if(NOT CMAKE_BUILD_TYPE AND NOT CMAKE_CONFIGURATION_TYPES)
    set(CMAKE_BUILD_TYPE Release CACHE STRING "Debug, Release or RelWithDebInfo" FORCE)
endif()
if(CMAKE_SYSTEM_PROCESSOR MATCHES "x86_64|AMD64")
    set(BALMER_BASELINE "x86-64-v3" CACHE STRING "The -march value everything is compiled for")
endif()
set(BALMER_SANITIZE "" CACHE STRING "Sanitizers to compile with, e.g. address,undefined")
option(BALMER_WERROR "Warnings are errors" ON)

find_program(BALMER_CCACHE ccache)
if(BALMER_CCACHE)
    set(CMAKE_CXX_COMPILER_LAUNCHER ${BALMER_CCACHE})
endif()

function(balmer_compile_options target)
    target_compile_features(${target} PUBLIC cxx_std_20)
    set_target_properties(${target} PROPERTIES CXX_EXTENSIONS OFF POSITION_INDEPENDENT_CODE ON)
    # -Wno-restrict: g++ 12 raises it falsely on std::string (GCC bug 105651).
    # -Wno-psabi: vectors wider than the machine's are passed within this library only.
    # -ffp-contract=off: the same bits on every device and at every optimisation level.
    # -fno-math-errno -fno-trapping-math: nobody reads errno or the exception flags, and with them
    # no loop that holds a square root or a floating comparison becomes vector code.
    set(options -Wall -Wextra -Wshadow=local -Wnon-virtual-dtor -Woverloaded-virtual -Wno-restrict
        -Wno-psabi -ffp-contract=off -fno-math-errno -fno-trapping-math)
    if(BALMER_WERROR)
        list(APPEND options -Werror)
    endif()
    if(BALMER_BASELINE)
        list(APPEND options -march=${BALMER_BASELINE})
    endif()
    target_compile_options(${target} PRIVATE "$<$<COMPILE_LANGUAGE:CXX>:${options}>")
    set(cuda_options -std=c++20 --expt-relaxed-constexpr -lineinfo --threads 2 -Xcompiler -Wall)
    if(BALMER_WERROR)
        list(APPEND cuda_options -Werror all-warnings)
    endif()
    target_compile_options(${target} PRIVATE "$<$<COMPILE_LANGUAGE:CUDA>:${cuda_options}>")
    if(BALMER_SANITIZE)
        target_compile_options(${target} PUBLIC -fsanitize=${BALMER_SANITIZE}
            -fno-omit-frame-pointer -fno-sanitize-recover=all)
        target_link_options(${target} PUBLIC -fsanitize=${BALMER_SANITIZE})
    endif()
endfunction()
