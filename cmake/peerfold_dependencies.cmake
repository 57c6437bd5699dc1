# Libraries that peerfold's own programs use (the headers themselves need none of them).
#
# peerfold_need(<package>...) finds each as installed, or else fetches it. Packages and targets:
#   Catch2 (2.13 or 3)   Catch2::Catch2WithMain
#   rapidcheck           rapidcheck, rapidcheck_catch
#   CLI11                CLI11::CLI11
#   nlohmann_json        nlohmann_json::nlohmann_json
#   pugixml              pugixml::pugixml

include_guard(GLOBAL)
include(FetchContent)

set(PEERFOLD_CATCH2_SOURCE catchorg/Catch2 v3.7.1 catch2)
set(PEERFOLD_RAPIDCHECK_SOURCE emil-e/rapidcheck ff6af6fc683159deb51c543b065eba14dfcf329b
                               librapidcheck-dev)
set(PEERFOLD_CLI11_SOURCE CLIUtils/CLI11 v2.4.2 libcli11-dev)
set(PEERFOLD_NLOHMANN_JSON_SOURCE nlohmann/json v3.11.3 nlohmann-json3-dev)
set(PEERFOLD_PUGIXML_SOURCE zeux/pugixml v1.14 libpugixml-dev)

# A macro, so that what find_package sets is seen where it is called.
macro(peerfold_need)
  foreach(peerfold_package IN ITEMS ${ARGN})
    find_package(${peerfold_package} QUIET)
    if(NOT ${peerfold_package}_FOUND)
      peerfold_fetch(${peerfold_package})
    endif()
  endforeach()
endmacro()

function(peerfold_fetch package)
  string(TOUPPER ${package} key)
  list(GET PEERFOLD_${key}_SOURCE 0 repository)
  list(GET PEERFOLD_${key}_SOURCE 1 tag)
  list(GET PEERFOLD_${key}_SOURCE 2 debian)
  message(STATUS "peerfold: ${package} is not installed (on Debian: apt-get install ${debian}); "
                 "fetching it")
  FetchContent_Declare(
    ${package}
    GIT_REPOSITORY https://github.com/${repository}.git
    GIT_TAG ${tag}
    GIT_SUBMODULES ""
    SYSTEM)
  FetchContent_MakeAvailable(${package})
  if(package STREQUAL "rapidcheck")
    # Its own switch for this header would bring in a Catch of its own.
    add_library(rapidcheck_catch INTERFACE)
    target_include_directories(
      rapidcheck_catch SYSTEM INTERFACE ${rapidcheck_SOURCE_DIR}/extras/catch/include)
    target_link_libraries(rapidcheck_catch INTERFACE rapidcheck)
  endif()
endfunction()
