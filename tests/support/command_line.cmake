# Runs PROGRAM with ARGUMENTS. It must leave with STATUS and print EXPECTED: to stdout, or, with a
# status other than 0, to stderr and in one line.

execute_process(
  COMMAND ${PROGRAM} ${ARGUMENTS}
  RESULT_VARIABLE status
  OUTPUT_VARIABLE output
  ERROR_VARIABLE errors)
if(NOT status EQUAL STATUS)
  message(FATAL_ERROR "left with ${status}, not ${STATUS}\n${output}${errors}")
endif()
if(STATUS EQUAL 0)
  set(where "${output}")
else()
  set(where "${errors}")
  string(REGEX MATCHALL "\n" newlines "${errors}")
  list(LENGTH newlines lines)
  if(NOT lines EQUAL 1 OR NOT output STREQUAL "")
    message(FATAL_ERROR "expected one line on stderr and nothing else\n${output}${errors}")
  endif()
endif()
string(FIND "${where}" "${EXPECTED}" found)
if(found EQUAL -1)
  message(FATAL_ERROR "no '${EXPECTED}' in:\n${where}")
endif()
