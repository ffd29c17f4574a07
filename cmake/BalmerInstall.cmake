# Installation: headers under include/balmer/, balmerConfig.cmake for find_package(balmer) and
# balmer.pc for pkg-config.

include(CMakePackageConfigHelpers)

install(TARGETS balmer EXPORT balmerTargets ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR})
install(EXPORT balmerTargets NAMESPACE balmer::
        DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/balmer)

foreach(floor kernels tensor weights nn render vit data train)
    install(DIRECTORY ${floor} DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/balmer
            FILES_MATCHING PATTERN "*.h")
endforeach()

configure_package_config_file(cmake/balmerConfig.cmake.in balmerConfig.cmake
    INSTALL_DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/balmer)
write_basic_package_version_file(balmerConfigVersion.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${PROJECT_BINARY_DIR}/balmerConfig.cmake ${PROJECT_BINARY_DIR}/balmerConfigVersion.cmake
        DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/balmer)

set(BALMER_PC_LIBS "-lfmt -lcfitsio -lz -lxxhash -fopenmp -lstdc++")
if(BALMER_HAS_ONEDNN)
    string(PREPEND BALMER_PC_LIBS "-ldnnl ")
endif()
if(BALMER_HAS_HDF5)
    string(JOIN " " BALMER_HDF5_LIBS ${HDF5_LDFLAGS})
    string(PREPEND BALMER_PC_LIBS "${BALMER_HDF5_LIBS} ")
endif()
if(BALMER_HAS_SIMT)
    string(PREPEND BALMER_PC_LIBS "-lboost_context ")
endif()
if(BALMER_HAS_CUDA)
    string(PREPEND BALMER_PC_LIBS "-L${CUDAToolkit_LIBRARY_DIR} -lcudart_static -ldl -lrt ")
endif()
file(RELATIVE_PATH BALMER_PC_PREFIX /${CMAKE_INSTALL_LIBDIR}/pkgconfig /)
configure_file(cmake/balmer.pc.in balmer.pc @ONLY)
install(FILES ${PROJECT_BINARY_DIR}/balmer.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
