# That the sanitizer watches a program on acre's malloc.
acre_test_linked(seen sanitized/seen.c)
set(variants own)
if(ACRE_SANITIZE STREQUAL thread)
  list(APPEND variants reuse race free late)
else()
  list(APPEND variants overflow)
endif()
foreach(variant IN LISTS variants)
  acre_test_of_linked(seen_${variant} seen sanitized SOURCES auto ARGS ${variant})
  if(variant MATCHES "race|free|late")
    set_tests_properties(sanitized.seen_${variant}.auto PROPERTIES PASS_REGULAR_EXPRESSION
      "WARNING: ThreadSanitizer: data race")
  elseif(variant STREQUAL overflow)
    set_tests_properties(sanitized.seen_${variant}.auto PROPERTIES PASS_REGULAR_EXPRESSION
      "runtime error: signed integer overflow")
  endif()
endforeach()
