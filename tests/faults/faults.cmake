# The library with system calls that can be made to fail, its own checks on, and a workload under each of them.
find_package(Threads REQUIRED)
list(TRANSFORM acre_sources PREPEND ${PROJECT_SOURCE_DIR}/ OUTPUT_VARIABLE fault_sources)
add_library(acre_fault STATIC ${fault_sources})
acre_library_options(acre_fault)
target_compile_definitions(acre_fault PRIVATE ACRE_FAULTS=1 ACRE_DEBUG=1)
set_target_properties(acre_fault PROPERTIES OUTPUT_NAME acre-fault)

acre_test_program(faults faults/faults.c faults/plan.c faults/workload.c)
target_compile_definitions(faults PRIVATE ACRE_TEST_STATIC=1 ACRE_FAULTS=1)
target_include_directories(faults PRIVATE ${acre_source_dir} ${PROJECT_SOURCE_DIR}/include)
target_link_libraries(faults PRIVATE acre_fault)

# A few calls of each kind; all of them by `make check-faults`.
acre_test_of_linked(one faults faults SOURCES auto OPTIONS decay_ms:1 ARGS one --most 6)
acre_test_of_linked(on faults faults SOURCES brk mmap OPTIONS decay_ms:0,scavenger:off ARGS on --most 4)
acre_test_of_linked(random faults faults SOURCES auto OPTIONS huge_threshold:64k,thp:always ARGS random --seeds 16)
