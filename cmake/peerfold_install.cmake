# Installs the headers and the package that find_package(peerfold) reads.

include(GNUInstallDirs)
include(CMakePackageConfigHelpers)

set(package_folder ${CMAKE_INSTALL_DATADIR}/cmake/peerfold)

target_include_directories(peerfold INTERFACE $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>)
install(DIRECTORY ${PROJECT_SOURCE_DIR}/include/peerfold DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
install(TARGETS peerfold EXPORT peerfold-targets)
install(EXPORT peerfold-targets NAMESPACE peerfold:: DESTINATION ${package_folder})

configure_package_config_file(
  ${PROJECT_SOURCE_DIR}/cmake/peerfold-config.cmake.in ${PROJECT_BINARY_DIR}/peerfold-config.cmake
  INSTALL_DESTINATION ${package_folder} NO_SET_AND_CHECK_MACRO)
write_basic_package_version_file(
  ${PROJECT_BINARY_DIR}/peerfold-config-version.cmake COMPATIBILITY SameMinorVersion
  ARCH_INDEPENDENT)
install(
  FILES ${PROJECT_BINARY_DIR}/peerfold-config.cmake
        ${PROJECT_BINARY_DIR}/peerfold-config-version.cmake
        ${PROJECT_SOURCE_DIR}/cmake/peerfold_cuda_headers.cmake
  DESTINATION ${package_folder})
