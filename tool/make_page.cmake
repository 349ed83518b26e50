# Fills the template of acre-options(7) with what `acre options --roff` prints.
# Needs ACRE (the command), VERSION, TEMPLATE and PAGE (files).
execute_process(COMMAND ${ACRE} options --roff OUTPUT_VARIABLE OPTION_ENTRIES RESULT_VARIABLE status)
if(NOT status EQUAL 0)
  message(FATAL_ERROR "acre options --roff: ${status}")
endif()
string(STRIP "${OPTION_ENTRIES}" OPTION_ENTRIES)
configure_file(${TEMPLATE} ${PAGE} @ONLY)
