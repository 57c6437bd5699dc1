# Writes OUTPUT, a header that names the commit of the checkout at SOURCE, or COMMIT if given.

if(NOT COMMIT)
  execute_process(
    COMMAND git describe --always --dirty --tags
    WORKING_DIRECTORY ${SOURCE}
    OUTPUT_VARIABLE COMMIT
    OUTPUT_STRIP_TRAILING_WHITESPACE
    ERROR_QUIET)
  if(NOT COMMIT)
    set(COMMIT unknown)
  endif()
endif()
file(CONFIGURE OUTPUT ${OUTPUT} CONTENT "#define PEERFOLD_BENCH_COMMIT \"${COMMIT}\"\n")
