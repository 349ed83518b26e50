# Threads, processes, and every phase of a life.
acre_test_program(fork_storm life/fork_storm.c support/exchange.c)
foreach(variant threads stdio signal-single signal-raw first)
  acre_test(fork_${variant} fork_storm life GLIBC ARGS ${variant} --forks 150)
endforeach()
acre_test(fork_inherit fork_storm life GLIBC ARGS inherit --forks 60) # a second each on two busy cores
acre_test(fork_signal-threads fork_storm life ARGS signal-threads --forks 150) # glibc can deadlock in this one
acre_test_linked(fork_storm_static life/fork_storm.c support/exchange.c)
if(TARGET fork_storm_static)
  target_link_options(fork_storm_static PRIVATE -static)
  acre_test_of_linked(fork_static fork_storm_static life SOURCES auto ARGS threads --forks 50)
endif()

acre_test_program(thread_churn life/thread_churn.c)
acre_test(thread_short thread_churn life GLIBC ARGS short 4000)
acre_test_linked(thread_churn_linked life/thread_churn.c)
acre_test_of_linked(thread_short_linked thread_churn_linked life SOURCES auto ARGS short 4000)
# With source:mmap a chunk more or less of 4 MiB decides, so it is run by hand there.
acre_test(thread_rounds thread_churn life SOURCES auto brk ARGS rounds)

acre_test_program(exchange life/exchange.c support/exchange.c)
acre_test(exchange exchange life SOURCES auto GLIBC)

acre_test_program(late life/late.c)
foreach(variant libc key)
  acre_test(late_${variant} late life GLIBC ARGS ${variant} 2000)
endforeach()
acre_test(late_fork late life GLIBC ARGS fork 20)

acre_test_linked(fork_inside life/fork_inside.c)
acre_test_of_linked(fork_inside fork_inside life)

acre_test_program(phases life/phases.c life/phases_cxx.cc)
acre_test(phases phases life GLIBC)
acre_test_linked(phases_linked life/phases.c life/phases_cxx.cc)
acre_test_of_linked(phases_linked phases_linked life SOURCES auto)
acre_test_linked(phases_static life/phases.c life/phases_cxx.cc)
if(TARGET phases_static)
  target_link_options(phases_static PRIVATE -static)
  acre_test_of_linked(phases_static phases_static life)
endif()

acre_test_program(small_stacks life/small_stacks.c)
acre_test(small_stacks small_stacks life GLIBC)
acre_test_program(plugin_loop life/plugin_loop.c)
acre_test(plugin_loop plugin_loop life GLIBC SOURCES auto brk ARGS $<TARGET_FILE:test_plugin>)
acre_test_program(vfork_exec life/vfork_exec.c)
acre_test(vfork_exec vfork_exec life GLIBC)

# Exports its malloc, as executables do that define one for themselves and their libraries.
add_executable(own_malloc life/own_malloc.c)
acre_test_setup(own_malloc)
set_target_properties(own_malloc PROPERTIES ENABLE_EXPORTS ON)
acre_test(own_malloc own_malloc life GLIBC SOURCES auto)

acre_test_program(start life/start.c)
acre_test(start_plain start life GLIBC ARGS plain)
acre_test(start_bad_option start life SOURCES auto ARGS bad-option)
acre_test_linked(start_linked life/start.c)
acre_test_of_linked(start_linked start_linked life SOURCES auto ARGS plain)
acre_test_linked(start_static life/start.c)
if(TARGET start_static)
  target_link_options(start_static PRIVATE -static)
  acre_test_of_linked(start_static start_static life SOURCES auto ARGS plain)
  acre_test_of_linked(start_set_user_id start_static life SOURCES auto ARGS set-user-id)
endif()

acre_test_program(limits life/limits.c)
foreach(limit as data)
  foreach(variant single threads)
    acre_test(limit_${limit}_${variant} limits life GLIBC ARGS ${limit} ${variant})
  endforeach()
  # Not with source:brk: what lies in the middle of the break cannot become a stack.
  acre_test(limit_${limit}_creation limits life GLIBC SOURCES auto mmap ARGS ${limit} creation)
endforeach()

foreach(variant single threads)
  acre_test(limit_option_${variant} limits life OPTIONS limit:64m ARGS option ${variant})
endforeach()
acre_test(limit_option_sizes limits life OPTIONS limit:64m,huge_threshold:128k ARGS option sizes)

# Free memory goes back: by itself, and when it is asked for.
acre_test_program(give_back life/give_back.c)
foreach(variant idle-random idle-clustered idle-none remote alone top before ends late forked)
  acre_test(give_back_${variant} give_back life ARGS ${variant})
endforeach()
# However long the scavenger would rest, it is not what the process waits for.
# Bounds a second later: not beside other tests, whose threads would take the processors.
foreach(variant idle-random idle-clustered idle-none forked)
  foreach(source auto brk mmap)
    if(TEST life.give_back_${variant}.${source})
      set_tests_properties(life.give_back_${variant}.${source} PROPERTIES RUN_SERIAL TRUE)
    endif()
  endforeach()
endforeach()
acre_test(give_back_ends-slow give_back life OPTIONS decay_ms:60000 ARGS ends)
acre_test(give_back_raw-fork give_back life OPTIONS decay_ms:1 ARGS raw-fork)
acre_test(give_back_trim give_back life OPTIONS decay_ms:never ARGS trim)
acre_test(give_back_holes give_back life OPTIONS decay_ms:1 ARGS holes)
acre_test_program(many_huge life/many_huge.c)
acre_test(many_huge many_huge life SOURCES mmap auto)
acre_test_program(cgroup life/cgroup.c)
acre_test(cgroup cgroup life SOURCES mmap OPTIONS decay_ms:5000)

# Arenas: what is made of them in the child of a fork, and what many cost.
acre_test_linked(arenas_fork life/arenas_fork.c)
acre_test_of_linked(arenas_fork_still arenas_fork life ARGS still)
acre_test_of_linked(arenas_fork_storm arenas_fork life ARGS storm --forks 300)
acre_test_linked(successors life/successors.c)
acre_test_of_linked(successors_child successors life ARGS child)
acre_test_of_linked(successors_late successors life ARGS late)
acre_test_of_linked(successors_torn successors life SOURCES auto ARGS torn)
acre_test_linked(many_arenas life/many_arenas.c)
acre_test_of_linked(many_arenas many_arenas life SOURCES auto)
# An arena's limit, by the kernel's count of pages.
acre_test_linked(arena_limit life/arena_limit.c)
acre_test_of_linked(arena_limit_between arena_limit life SOURCES auto ARGS between 2000)
acre_test_of_linked(arena_limit_reserve arena_limit life SOURCES auto ARGS reserve 2000)
acre_test_of_linked(arena_limit_process arena_limit life SOURCES auto OPTIONS huge_cache:off ARGS process 2000)

# Under a filter that lets pass what acre(7) lists.
acre_test_linked(seccomp life/seccomp.c)
set(manual ${CMAKE_CURRENT_SOURCE_DIR}/../docs/man/acre.7)
acre_test_of_linked(seccomp_alone seccomp life OPTIONS scavenger:off ARGS ${manual} alone)
acre_test_of_linked(seccomp_scavenger seccomp life SOURCES auto OPTIONS decay_ms:20 ARGS ${manual} scavenger)
acre_test_of_linked(seccomp_misuse seccomp life SOURCES auto OPTIONS scavenger:off ARGS ${manual} misuse)

# What is rare: thread-local objects of libraries that come and go, clone, descriptors 0 to 2 closed.
add_library(tls_plugin MODULE life/tls_plugin.cc)
target_compile_options(tls_plugin PRIVATE ${acre_test_options})
acre_test_program(rare life/rare.c)
acre_test(tls_plugins rare life GLIBC ARGS plugins $<TARGET_FILE:tls_plugin>)
acre_test(clone rare life GLIBC SOURCES auto brk ARGS clone)
acre_test(closed rare life SOURCES auto ARGS closed)
