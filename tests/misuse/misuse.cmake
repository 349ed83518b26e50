# What becomes of misuse. Its programs end badly on other mallocs, so it runs on acre alone (and in bench/misuse.py).
set(misuse_files misuse/misuse.c misuse/kinds.c misuse/blocks.c misuse/addresses.c misuse/threads.c)
acre_test_program(misuse ${misuse_files})
acre_test(misuse misuse api)
acre_test(misuse_report misuse api OPTIONS misuse:report)
acre_test(misuse_ignore misuse api OPTIONS misuse:ignore SOURCES auto)
acre_test_linked(misuse_linked ${misuse_files})
if(TARGET misuse_linked)
  target_link_options(misuse_linked PRIVATE -Wl,-u,acre_arena_create,-u,_ZdlPvm) # the program asks for them weakly
endif()
acre_test_of_linked(misuse_linked misuse_linked api SOURCES auto)
acre_test_of_linked(misuse_linked_report misuse_linked api OPTIONS misuse:report SOURCES auto)

# The handler: linked, since it asks for a function of acre's; once with each library.
acre_test_linked(misuse_handler misuse/handler.c)
acre_test_of_linked(misuse_handler misuse_handler api OPTIONS misuse:ignore SOURCES auto)
if(TARGET acre)
  acre_test_program(misuse_handler_shared misuse/handler.c)
  target_link_libraries(misuse_handler_shared PRIVATE acre)
  acre_test_of_linked(misuse_handler_shared misuse_handler_shared api OPTIONS misuse:ignore SOURCES auto)
endif()
