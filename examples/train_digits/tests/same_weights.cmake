# Trains twice with each policy, briefly, and wants the same checksum every time. PROGRAM, PLACE,
# RANKS.
set(first "")
foreach(policy IN ITEMS automatic one_shot/packet one_shot/store two_shot/packet two_shot/store)
  foreach(run IN ITEMS 1 2)
    execute_process(
      COMMAND ${PROGRAM} --place ${PLACE} --ranks ${RANKS} --policy ${policy} --epochs 2
      OUTPUT_VARIABLE output
      ERROR_VARIABLE errors
      RESULT_VARIABLE status)
    if(status EQUAL 77)
      message("skipped: ${errors}")
      return()
    endif()
    if(NOT status EQUAL 0 OR NOT output MATCHES "\nidentical yes.*\nchecksum  ([0-9a-f]+)\n$")
      message(FATAL_ERROR "${policy}, run ${run}: exit status ${status}\n${output}${errors}")
    endif()
    message("${policy}, run ${run}: ${CMAKE_MATCH_1}")
    if(first STREQUAL "")
      set(first ${CMAKE_MATCH_1})
    elseif(NOT CMAKE_MATCH_1 STREQUAL first)
      message(FATAL_ERROR "the checksum differs from the first run's")
    endif()
  endforeach()
endforeach()
