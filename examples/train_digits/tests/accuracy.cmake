# Trains as by default and wants at least 95 % and ranks that agree. PROGRAM, PLACE, RANKS.
execute_process(
  COMMAND ${PROGRAM} --place ${PLACE} --ranks ${RANKS}
  OUTPUT_VARIABLE output
  ERROR_VARIABLE errors
  RESULT_VARIABLE status)
if(status EQUAL 77)
  message("skipped: ${errors}")
  return()
endif()
message("${output}${errors}")
if(NOT status EQUAL 0)
  message(FATAL_ERROR "exit status ${status}")
endif()
if(NOT output MATCHES "\naccuracy  ([0-9]+)\\.[0-9] %" OR CMAKE_MATCH_1 LESS 95)
  message(FATAL_ERROR "no accuracy of at least 95 %")
endif()
if(NOT output MATCHES "\nidentical yes")
  message(FATAL_ERROR "the ranks' weights differ")
endif()
