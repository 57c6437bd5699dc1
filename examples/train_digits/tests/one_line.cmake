# want_one_line(<regular expression> <argument>...): PROGRAM ends with a status other than 0 and
# prints one line, to stderr, which matches.
function(want_one_line expected)
  execute_process(
    COMMAND ${PROGRAM} ${ARGN}
    OUTPUT_VARIABLE output
    ERROR_VARIABLE errors
    RESULT_VARIABLE status)
  list(JOIN ARGN " " arguments)
  message("${arguments}: exit status ${status}, ${errors}")
  if(NOT status MATCHES "^[1-9]" OR NOT output STREQUAL "" OR NOT errors MATCHES "^[^\n]+\n$"
     OR NOT errors MATCHES "${expected}")
    message(SEND_ERROR "wanted a bad exit status and one line that matches '${expected}'; "
                       "stdout was '${output}'")
  endif()
endfunction()
