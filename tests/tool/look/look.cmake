# acre map and acre why of look_heap, of real programs, and of damaged heaps. Some have a longer form, which is run
# by `make check-look-long`.
set(look ${CMAKE_CURRENT_SOURCE_DIR}/tool/look)
acre_test_program(look_heap ${look}/heap.c ${look}/ledger.c)
target_include_directories(look_heap PRIVATE ${PROJECT_SOURCE_DIR}/include)
acre_test_linked(look_heap_linked ${look}/heap.c ${look}/ledger.c)
acre_test_linked(look_heap_static ${look}/heap.c ${look}/ledger.c)
target_link_options(look_heap_static PRIVATE -static)
add_library(look_ledger MODULE ${look}/ledger_preload.c ${look}/ledger.c)
acre_test_setup(look_ledger)
set_target_properties(look_ledger PROPERTIES OUTPUT_NAME ledger)
add_library(look_no_scan MODULE ${look}/no_scan.c)
acre_test_setup(look_no_scan)
set_target_properties(look_no_scan PROPERTIES OUTPUT_NAME no_scan)

foreach(part pictures figures running sparse errors fuzz page)
  add_test(NAME tool.look_${part} COMMAND ${Python3_EXECUTABLE} ${look}/${part}.py ${CMAKE_BINARY_DIR})
  set_tests_properties(tool.look_${part} PROPERTIES LABELS tool TIMEOUT 300 SKIP_RETURN_CODE 77)
endforeach()
