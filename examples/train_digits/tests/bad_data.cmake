# A missing or damaged data file is answered in one line that names the file and the line. PROGRAM,
# FOLDER (for the files).
include(${CMAKE_CURRENT_LIST_DIR}/one_line.cmake)

string(REPEAT "0," 64 pixels)
string(REPEAT "${pixels}5\n" 200 good)  # 200 lines

# want_refused(<name> <expected> <text>): the file of that text is refused.
function(want_refused name expected text)
  file(WRITE ${FOLDER}/${name} "${text}")
  want_one_line("${name}${expected}" --place threads --data ${FOLDER}/${name})
endfunction()

file(REMOVE_RECURSE ${FOLDER})
file(MAKE_DIRECTORY ${FOLDER})
want_one_line("nowhere.csv: cannot be opened" --data ${FOLDER}/nowhere.csv)
want_one_line("bad_data:1: .*directory" --data ${FOLDER})
want_refused(empty.csv ":1: ends after 0 lines" "")
want_refused(bright.csv ":201: pixel 1 " "${good}17,${pixels}5\n")
want_refused(negative.csv ":201: pixel 1 " "${good}-1,${pixels}5\n")
want_refused(fraction.csv ":201: pixel 1 " "${good}0.5,${pixels}5\n")
want_refused(words.csv ":1: pixel 1 " "pixel,label\n${good}")
want_refused(blank.csv ":201: pixel 1 " "${good}\n${good}")
want_refused(short.csv ":201: pixel 6 " "${good}0,0,0,0,0,5\n${good}")
want_refused(cut.csv ":201: the label " "${good}${pixels}")
want_refused(extra.csv ":201: the label " "${good}${pixels}5,5\n")
want_refused(label.csv ":201: the label " "${good}${pixels}10\n")
want_refused(few.csv ":3: ends after 2 lines" "${pixels}5\n${pixels}5\n")
string(REPEAT "0," 2000 endless)
want_refused(endless.csv ":1: is longer than" "${endless}")

# Compressed files that end too early, or whose middle is not what was written.
set(whole ${CMAKE_CURRENT_LIST_DIR}/../../data/digits.csv.gz)
execute_process(COMMAND head -c 20000 ${whole} OUTPUT_FILE ${FOLDER}/cut.csv.gz)
want_one_line("cut.csv.gz:[1-9][0-9]+: cannot be read any further: unexpected end of file"
              --data ${FOLDER}/cut.csv.gz)
execute_process(COMMAND sh -c "head -c 20000 '${whole}'; printf XXXX; tail -c +20005 '${whole}'"
                OUTPUT_FILE ${FOLDER}/damaged.csv.gz)
want_one_line("damaged.csv.gz:[1-9][0-9]+: " --data ${FOLDER}/damaged.csv.gz)
