# Everything at once: some seconds here, an hour by `make soak`.
acre_test_linked(soak soak/soak.c model/block.c model/content.c model/order.c)
set(arguments --seconds 12)
if(ACRE_TOOL)
  list(APPEND arguments --acre ${CMAKE_BINARY_DIR}/bin/acre)
endif()
acre_test_of_linked(soak soak soak SOURCES auto ARGS ${arguments})
