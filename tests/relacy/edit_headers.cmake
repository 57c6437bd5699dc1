# cmake -DFROM=<include folder> -DTO=<folder> -P edit_headers.cmake
#
# Copies the headers that the model changes, and changes them: accesses go through model.hpp, and
# where an error can be put in there is a call that puts it in. Everything else of the library runs as
# it is. An edit that finds nothing to change fails: then the header was rewritten, and the edit here
# wants a look.

# edit(<header> <what> <by what>...): replaces every occurrence. Once a header.
function(edit header)
  file(READ ${FROM}/peerfold/${header} text)
  math(EXPR last "${ARGC} - 1")
  foreach(i RANGE 1 ${last} 2)
    math(EXPR j "${i} + 1")
    string(FIND "${text}" "${ARGV${i}}" found)
    if(found EQUAL -1)
      message(FATAL_ERROR "${header} does not say any more: ${ARGV${i}}")
    endif()
    string(REPLACE "${ARGV${i}}" "${ARGV${j}}" text "${text}")
  endforeach()
  string(REPLACE "#pragma once" "#pragma once\n#include \"relacy/model.hpp\"" text "${text}")
  file(WRITE ${TO}/peerfold/${header} "${text}")
endfunction()

# Accesses.
edit(arch/ordered_access.hpp
     "std::atomic_ref<" "model::atomic_ref<"
     "std::atomic_thread_fence(std::memory_order_acq_rel)" "model::fence()")
edit(arch/vector_access.hpp
     "__builtin_memcpy(&value, address, " "model::read(&value, address, "
     "__builtin_memcpy(address, &value, " "model::write(address, &value, ")
edit(arch/clock.hpp
     "std::this_thread::yield()" "model::yield()"
     "std::this_thread::sleep_for(std::chrono::microseconds{50})" "model::yield()")
edit(execution/thread_group.hpp
     "std::atomic<" "model::atomic<"
     # Lanes with one pack: as on a GPU, and small enough for Relacy's stacks.
     "packet_packs = 256" "packet_packs = 1"
     "store_packs = 256" "store_packs = 1"
     "sentinel_packs = 256" "sentinel_packs = 1")

# The ring of stores as small as a transport without a lag allows, so that few messages fill it.
edit(sync/arena.hpp
     "store_slots = 8" "store_slots = 4"
     "largest_slot = 128 * 1024" "largest_slot = 128" # a small arena
     "% packet_slots" "% model::slots(packet_slots)")
edit(transport/packet.hpp
     "line.high >> 32" "model::high_word(line) >> 32"
     "c_.group().any(" "model::vote(c_.group(), ")
edit(transport/sentinel.hpp
     "    wipe();" "    if (model::wipes()) wipe();"
     "seen.high != sync::nothing_yet" "model::high_word(seen) != sync::nothing_yet"
     "c_.group().any(" "model::vote(c_.group(), ")
edit(transport/store_flag.hpp
     "lag_in_tiles = 2" "lag_in_tiles = 0"
     "c_.group().sync()" "model::sync(c_.group())"
     "+ releases_," "+ releases_ + model::credit_too_early(),"
     "static_cast<uint32_t>(sync::store_slots)"
     "static_cast<uint32_t>(sync::store_slots + model::credit_too_much())")
