# cmake -DFROM=<include folder> -DTO=<folder> -DBUGS=<bug>[,<bug>…] -P plant.cmake
#
# Writes copies of the headers that a bug is planted in, to stand before the others in a test's
# include path. What finds nothing to change fails: then the header was rewritten, and the bug here
# wants another form.

# plant(<header> <what> <by what>): in the copy, if there is one already.
function(plant header what by)
  set(source ${TO}/peerfold/${header})
  if(NOT EXISTS ${source})
    set(source ${FROM}/peerfold/${header})
  endif()
  file(READ ${source} text)
  string(FIND "${text}" "${what}" found)
  if(found EQUAL -1)
    message(FATAL_ERROR "${header} does not say any more: ${what}")
  endif()
  string(REPLACE "${what}" "${by}" text "${text}")
  file(WRITE ${TO}/peerfold/${header} "${text}")
endfunction()

file(REMOVE_RECURSE ${TO})
string(REPLACE "," ";" BUGS "${BUGS}")
foreach(bug IN LISTS BUGS)
  if(bug STREQUAL "small_numbers")
    # Not a bug: packets' numbers come round after 16 messages, and slots are wiped every 8.
    plant(sync/sequence.hpp "wire(message) << 16" "(wire(message) & 31u) << 16")
    # Calls are not told apart, so that every old line passes that is not wiped.
    plant(sync/sequence.hpp "number | digest.low, number | digest.high"
          "number | (digest.low & 0u), number | (digest.high & 0u)")
    plant(sync/sequence.hpp "scrub_period = uint64_t{1} << 14" "scrub_period = 8")
  elseif(bug STREQUAL "lost_wipe")
    plant(transport/packet.hpp "arch::store_relaxed(at(line, i), arch::word_pair{0, 0});"
          "static_cast<void>(at(line, i));")
  elseif(bug STREQUAL "short_wipe")
    plant(transport/sentinel.hpp "receipts_ == 1 ? kept_.lines : lines_" "receipts_ == 1 ? 1 : lines_")
  elseif(bug STREQUAL "missing_credit")
    plant(transport/store_flag.hpp "+ releases_," ",")
  elseif(bug STREQUAL "wrong_parity")
    plant(sync/arena.hpp "static_cast<unsigned>(message) % packet_slots"
          "static_cast<unsigned>(message) / 2 % packet_slots")
  else()
    message(FATAL_ERROR "no bug '${bug}'")
  endif()
endforeach()
