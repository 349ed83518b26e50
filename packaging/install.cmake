# What `cmake --install` puts where: GNUInstallDirs, a CMake package and a pkg-config file. The headers are a folder,
# include/acre; the manual of the command is installed with it.
include(CMakePackageConfigHelpers)

install(TARGETS acre acre_static EXPORT acreTargets
  LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR}
  ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR})
# The counting library is only ever preloaded: no link for the linker.
install(TARGETS acre_count LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR} NAMELINK_SKIP)
install(DIRECTORY ${PROJECT_SOURCE_DIR}/include/acre DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
install(FILES ${PROJECT_SOURCE_DIR}/docs/man/acre_arena.3 ${PROJECT_SOURCE_DIR}/docs/man/acre_set_misuse_handler.3
  DESTINATION ${CMAKE_INSTALL_MANDIR}/man3)
install(FILES ${PROJECT_SOURCE_DIR}/docs/man/acre.7 DESTINATION ${CMAKE_INSTALL_MANDIR}/man7)
install(EXPORT acreTargets NAMESPACE acre:: DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/acre)

configure_package_config_file(${CMAKE_CURRENT_LIST_DIR}/acreConfig.cmake.in ${CMAKE_BINARY_DIR}/acreConfig.cmake
  INSTALL_DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/acre)
write_basic_package_version_file(${CMAKE_BINARY_DIR}/acreConfigVersion.cmake COMPATIBILITY SameMajorVersion)
install(FILES ${CMAKE_BINARY_DIR}/acreConfig.cmake ${CMAKE_BINARY_DIR}/acreConfigVersion.cmake
  DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/acre)

configure_file(${CMAKE_CURRENT_LIST_DIR}/acre.pc.in ${CMAKE_BINARY_DIR}/acre.pc @ONLY)
install(FILES ${CMAKE_BINARY_DIR}/acre.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
