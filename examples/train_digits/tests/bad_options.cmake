# Bad options are answered in one line that names them. PROGRAM.
include(${CMAKE_CURRENT_LIST_DIR}/one_line.cmake)

want_one_line("--ranks" --ranks 0)
want_one_line("--ranks" --ranks 9)
want_one_line("--ranks" --ranks two)
want_one_line("--ranks" --ranks)
want_one_line("--place" --place moon)
want_one_line("--policy.*'ring'.*one_shot/packet" --policy ring)
want_one_line("--epochs" --epochs 0)
want_one_line("--epochs" --epochs 1.5)
want_one_line("--seed" --seed -1)
want_one_line("--frobnicate" --frobnicate)
want_one_line("extra" --ranks 2 extra)

execute_process(
  COMMAND ${PROGRAM} --help
  OUTPUT_VARIABLE output
  RESULT_VARIABLE status)
foreach(option IN ITEMS ranks place policy epochs seed data help)
  if(NOT status EQUAL 0 OR NOT output MATCHES "--${option}")
    message(SEND_ERROR "--help, exit status ${status}, says nothing of --${option}:\n${output}")
  endif()
endforeach()
