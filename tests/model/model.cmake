# The randomised model test: short runs of several seeds here; by hand without --operations it runs far longer.
acre_test_program(model model/model.c model/block.c model/content.c model/order.c)
acre_test(model model model GLIBC SOURCES auto ARGS --seed 1 --operations 300000)
acre_test(model_threads model model GLIBC ARGS --seed 2 --threads 4 --operations 150000)
acre_test(model_unordered model model ARGS --seed 3 --threads 6 --operations 150000 --unordered)
foreach(seed 11 12 13)
  acre_test(model_seed_${seed} model model ARGS --seed ${seed} --operations 500000)
endforeach()
acre_test(model_uncached model model OPTIONS huge_cache:off SOURCES auto ARGS --seed 4 --operations 300000)
acre_test(model_mostly_huge model model OPTIONS huge_threshold:64k SOURCES auto ARGS --seed 5 --operations 300000)
acre_test(model_many_threads model model SOURCES auto mmap ARGS --seed 6 --threads 32 --operations 20000)

# Linked, and in a program without any shared library.
acre_test_linked(model_linked model/model.c model/block.c model/content.c model/order.c)
acre_test_of_linked(model_linked model_linked model SOURCES auto ARGS --seed 7 --threads 3 --operations 100000)
acre_test_linked(model_static model/model.c model/block.c model/content.c model/order.c)
if(TARGET model_static)
  target_link_options(model_static PRIVATE -static)
  acre_test_of_linked(model_static model_static model ARGS --seed 8 --threads 3 --operations 100000)
endif()

# Arenas against a model of theirs.
acre_test_linked(model_arenas model/arenas.c)
foreach(seed 1 2 3)
  acre_test_of_linked(arenas_seed_${seed} model_arenas model ARGS --seed ${seed} --operations 300000)
  acre_test_of_linked(arenas_seed_${seed}_threads model_arenas model ARGS --seed ${seed} --threads 4
    --operations 150000)
endforeach()
math(EXPR operations "150000 / ${acre_test_slowdown}")
acre_test_of_linked(arenas_few model_arenas model SOURCES auto ARGS --seed 5 --threads 4 --operations ${operations}
  --arenas 2)

# Protocols, explored exhaustively, once for all builds.
if(NOT ACRE_DEBUG)
  foreach(model gate recent remote)
    add_test(NAME model.${model} COMMAND ${Python3_EXECUTABLE} ${CMAKE_CURRENT_SOURCE_DIR}/model/${model}.py)
    set_tests_properties(model.${model} PROPERTIES LABELS model TIMEOUT 300)
  endforeach()
endif()
