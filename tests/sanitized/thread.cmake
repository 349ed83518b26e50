# The library for ThreadSanitizer: acre's malloc behind a front (front.c), and in the way of no other. The linker finds
# libtsan's malloc before a library's, so all of this one is linked.
set(watched)
foreach(name malloc calloc realloc free)
  list(APPEND watched ${name}=acre_watched_${name})
endforeach()
set_source_files_properties(src/api/malloc.c PROPERTIES COMPILE_DEFINITIONS "${watched}")
target_sources(acre_static PRIVATE ${CMAKE_CURRENT_LIST_DIR}/front.c)
set_source_files_properties(${CMAKE_CURRENT_LIST_DIR}/front.c PROPERTIES
  COMPILE_OPTIONS "-fno-sanitize=thread;-fvisibility=default")
target_link_options(acre_static INTERFACE
  -Wl,--whole-archive $<TARGET_FILE:acre_static> -Wl,--no-whole-archive)

# The first race ends a test. Locks taken in no order are none: the model of arenas takes locks for reading so, and only
# tries those for writing.
set(acre_sanitizer_options TSAN_OPTIONS=halt_on_error=1:detect_deadlocks=0)

# ThreadSanitizer knows where programs are mapped as long as not too much of an address is random.
find_program(SETARCH setarch)
if(SETARCH)
  execute_process(COMMAND ${SETARCH} -R true RESULT_VARIABLE failed OUTPUT_QUIET ERROR_QUIET)
  if(failed EQUAL 0)
    set(CMAKE_CROSSCOMPILING_EMULATOR ${SETARCH} -R)
  endif()
endif()
