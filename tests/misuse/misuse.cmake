# What becomes of misuse. Its programs end badly on other mallocs, so it runs on acre alone (and in bench/misuse.py).
set(misuse_files misuse/misuse.c misuse/kinds.c misuse/blocks.c misuse/addresses.c misuse/threads.c)
acre_test_program(misuse ${misuse_files})
acre_test(misuse misuse api)
acre_test(misuse_report misuse api OPTIONS misuse:report)
acre_test(misuse_ignore misuse api OPTIONS misuse:ignore SOURCES auto)
acre_test_linked(misuse_linked ${misuse_files})
acre_test_of_linked(misuse_linked misuse_linked api SOURCES auto)
acre_test_of_linked(misuse_linked_report misuse_linked api OPTIONS misuse:report SOURCES auto)
