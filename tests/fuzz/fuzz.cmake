# What libFuzzer found worth keeping, run again by a program of any build. With -DACRE_FUZZ=ON (clang) libFuzzer itself.
set(acre_fuzz_dir ${CMAKE_CURRENT_SOURCE_DIR}/fuzz)
set(acre_fuzz_sources fuzz/target.c fuzz/run.c fuzz/threads.c fuzz/blocks.c fuzz/arenas.c model/content.c
  model/order.c)

acre_test_linked(fuzz_replay fuzz/replay.c ${acre_fuzz_sources})
if(TARGET fuzz_replay)
  target_include_directories(fuzz_replay PRIVATE ${PROJECT_SOURCE_DIR}/src)
  target_compile_definitions(fuzz_replay PRIVATE $<$<BOOL:${ACRE_DEBUG}>:ACRE_DEBUG=1>)
  acre_test_of_linked(replay fuzz_replay fuzz ARGS ${acre_fuzz_dir}/corpus)
  acre_test_of_linked(replay_odd fuzz_replay fuzz SOURCES auto
    OPTIONS huge_threshold:64k,huge_cache:off,decay_ms:0 ARGS ${acre_fuzz_dir}/corpus)
endif()

# libFuzzer stays on libc's malloc, so that it can say what acre did wrong, and nobody but the target uses acre: all
# names that libc has too are others in this copy of it.
if(ACRE_FUZZ)
  set(acre_fuzz_family malloc calloc realloc reallocarray aligned_alloc posix_memalign memalign valloc pvalloc free
    free_sized free_aligned_sized malloc_usable_size malloc_trim)
  set(acre_fuzz_names)
  foreach(name IN LISTS acre_fuzz_family)
    list(APPEND acre_fuzz_names ${name}=fuzzed_${name})
  endforeach()
  set(acre_fuzz_library_sources ${acre_sources})
  list(FILTER acre_fuzz_library_sources EXCLUDE REGEX "src/api/(operators.*|catch)\\.cc?$")
  list(TRANSFORM acre_fuzz_library_sources PREPEND ${PROJECT_SOURCE_DIR}/)
  set(acre_fuzz_options -O1 -g -fsanitize=fuzzer-no-link,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer)

  add_library(acre_fuzzed STATIC ${acre_fuzz_library_sources})
  acre_library_options(acre_fuzzed)
  target_compile_options(acre_fuzzed PRIVATE ${acre_fuzz_options})
  target_compile_definitions(acre_fuzzed PRIVATE ${acre_fuzz_names} ACRE_DEBUG=1)

  add_executable(acre-fuzz ${acre_fuzz_sources})
  acre_test_setup(acre-fuzz)
  target_include_directories(acre-fuzz PRIVATE ${PROJECT_SOURCE_DIR}/src)
  target_compile_options(acre-fuzz PRIVATE -g -fno-omit-frame-pointer)
  target_compile_definitions(acre-fuzz PRIVATE ${acre_fuzz_names} ACRE_DEBUG=1 ACRE_FUZZ_ALONE=1
    CHECK_END=__builtin_trap)
  target_link_libraries(acre-fuzz PRIVATE acre_fuzzed)
  target_link_options(acre-fuzz PRIVATE -fsanitize=fuzzer,undefined)
endif()
