# Where pages come from.
acre_test_program(foreign_sbrk sources/foreign_sbrk.c)
foreach(variant up-down stepped neighbour forbidden threads)
  acre_test(foreign_${variant} foreign_sbrk sources GLIBC ARGS ${variant})
endforeach()
acre_test(foreign_small_limit foreign_sbrk sources SOURCES auto OPTIONS brk_limit:1m ARGS up-down)

acre_test_program(break_moves sources/break_moves.c)
foreach(size 100 1000 20000 300000)
  acre_test(break_down_${size} break_moves sources SOURCES brk ARGS down ${size})
endforeach()
acre_test(break_down_huge break_moves sources SOURCES brk ARGS down 4194304)
acre_test(break_still break_moves sources SOURCES mmap ARGS still)
acre_test(break_bounded break_moves sources SOURCES auto OPTIONS brk_limit:8m ARGS bounded)
# glibc's break comes down as well, for blocks below its mmap threshold: the test is not asking for the moon.
acre_register(glibc.break_down break_moves glibc ENVIRONMENT "ACRE_TEST_EXPECT=glibc" ARGS down 20000)

acre_test_program(huge_blocks sources/huge_blocks.c)
acre_test(huge_off huge_blocks sources SOURCES auto mmap OPTIONS huge_cache:off ARGS off)
acre_test(huge_on huge_blocks sources GLIBC ARGS on)
acre_test(huge_many huge_blocks sources GLIBC ARGS many)
acre_test(huge_grow huge_blocks sources GLIBC SOURCES auto mmap ARGS grow)

acre_test_program(huge_pages sources/huge_pages.c)
acre_test(huge_pages_on huge_pages sources SOURCES auto mmap ARGS on)
acre_test(huge_pages_off huge_pages sources SOURCES auto OPTIONS huge_pages:off ARGS off)

acre_test_program(strace_load strace/load.c)
if(TARGET acre)
  set(steady ${CMAKE_CURRENT_SOURCE_DIR}/strace/steady.sh)
  set(variants steady sources)
  if(ACRE_TOOL)
    list(APPEND variants compare)
  endif()
  foreach(variant IN LISTS variants)
    acre_register(sources.strace_${variant} ${steady} sources
      ARGS ${variant} $<TARGET_FILE:strace_load> $<TARGET_FILE:acre> ${CMAKE_BINARY_DIR}/bin/acre)
  endforeach()
endif()
