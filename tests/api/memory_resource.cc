// acre/memory_resource.hpp: who owns an arena and when it ends, what is thrown and when, and that nothing is leaked
// by a constructor that throws. Linked with libacre, since a preload alone has no arenas to call.
#include "support/check.h"
#include "support/process.h"

#include <acre/memory_resource.hpp>

#include <cstdint>
#include <memory_resource>
#include <stdexcept>
#include <string>
#include <thread>
#include <type_traits>
#include <vector>

static_assert(!std::is_copy_constructible_v<acre::arena> && !std::is_copy_assignable_v<acre::arena>);
static_assert(std::is_nothrow_move_constructible_v<acre::arena> && std::is_nothrow_move_assignable_v<acre::arena>);
static_assert(!std::is_copy_constructible_v<acre::arena_resource> && !std::is_move_constructible_v<acre::entered>);
static_assert(sizeof(acre::unique_in<int>) == sizeof(int *));
static_assert(!std::is_constructible_v<acre::entered, acre::arena>, "it would end before it is left");

namespace {

int count_arenas() {
    int count = 0;
    const auto visit = [](acre_arena *, const char *, void *context) { return ++*static_cast<int *>(context) > 0; };
    CHECK(acre_arena_each(visit, &count));
    return count;
}

acre_arena_options limited(std::size_t limit_bytes) {
    acre_arena_options options = acre_arena_options();
    options.limit_bytes = limit_bytes;
    return options;
}

template <class Function> int error_of(Function function) {
    try {
        function();
    } catch (const std::system_error &error) {
        return error.code().value();
    }
    return 0;
}

void handles_own() {
    acre::arena first;
    CHECK(count_arenas() == 1);
    acre_arena *handle = first.get();
    acre::arena second(std::move(first));
    CHECK(first.get() == nullptr && second.get() == handle && count_arenas() == 1);
    first = acre::arena();
    CHECK(count_arenas() == 2);
    first = std::move(second);
    CHECK(first.get() == handle && second.get() == nullptr && count_arenas() == 1);
    acre::arena &same = first;
    first = std::move(same);
    CHECK(first.get() == handle);
    acre::arena taken_over(first.detach());
    CHECK(first.get() == nullptr && taken_over.get() == handle && count_arenas() == 1);
}

void handles_work() {
    acre::arena arena;
    for (int i = 0; i < 1000; i++) CHECK(acre_arena_malloc(arena.get(), 100) != nullptr);
    CHECK(arena.stats().live_blocks == 1000);
    arena.reset();
    CHECK(arena.stats().live_blocks == 0);
    arena.release();
    CHECK(arena.stats().limit_bytes == 0);
}

void creation_throws() {
    acre_arena_options wrong = acre_arena_options();
    wrong.flags = 1;
    CHECK(error_of([&] { acre::arena arena(wrong); }) == EINVAL);
    CHECK(error_of([&] { acre::arena_resource resource(wrong); }) == EINVAL);
    CHECK(count_arenas() == 0);
}

void resources_own_or_borrow() {
    acre::arena arena;
    acre_arena *handle = arena.get();
    {
        acre::arena_resource borrowing(arena), by_handle(handle);
        CHECK(borrowing.get() == handle && by_handle.get() == handle);
    }
    CHECK(count_arenas() == 1 && arena.get() == handle);
    {
        acre::arena_resource owning(std::move(arena));
        CHECK(owning.get() == handle && arena.get() == nullptr);
        acre::arena_resource making(limited(1 << 20));
        CHECK(count_arenas() == 2);
    }
    CHECK(count_arenas() == 0);
}

void resources_are_equal_by_arena() {
    acre::arena one, other;
    acre::arena_resource a(one), again(one.get()), b(other);
    CHECK(a == a && a == again && again == a);
    CHECK(a != b && a != *std::pmr::new_delete_resource() && *std::pmr::new_delete_resource() != a);
}

void resources_align() {
    acre::arena_resource resource{acre_arena_options()};
    for (std::size_t alignment = 1; alignment <= 1 << 21; alignment *= 2) {
        for (std::size_t size : {1, 24, 100, 5000, 70000, 3000000}) {
            void *block = resource.allocate(size, alignment);
            CHECK(reinterpret_cast<std::uintptr_t>(block) % alignment == 0);
            CHECK(acre_arena_of(block) == resource.get());
            resource.deallocate(block, size, alignment);
        }
    }
}

void a_limit_throws_bad_alloc() {
    acre::arena_resource resource(limited(1 << 20));
    std::pmr::vector<std::pmr::string> texts(&resource);
    bool thrown = false;
    try {
        for (;;) texts.emplace_back(std::size_t(1000), 't');
    } catch (const std::bad_alloc &) {
        thrown = true;
    }
    CHECK(thrown && texts.size() > 100 && texts.back().size() == 1000);
    struct large {
        char bytes[2 << 20];
    };
    try {
        auto never = acre::make_unique_in<large>(resource.get());
        CHECK(never == nullptr);
    } catch (const std::bad_alloc &) {
        return;
    }
    CHECK(false);
}

// What moves onto an equal resource keeps its place; onto another one, it moves to that one's arena.
void containers_move() {
    acre::arena one, other;
    acre::arena_resource a(one), again(one), b(other);
    std::pmr::vector<int> numbers(1000, 7, &a);
    const int *place = numbers.data();
    std::pmr::vector<int> same(&again), elsewhere(&b);
    same = std::move(numbers);
    CHECK(same.data() == place);
    elsewhere = std::move(same);
    CHECK(elsewhere.size() == 1000 && acre_arena_of(elsewhere.data()) == other.get());
}

// The comparison keeps the compiler from dropping the pair of new and delete.
acre_arena *arena_of_new() {
    std::unique_ptr<int> number(new int(1));
    return acre_arena_of(number.get());
}

void entering_nests() {
    acre::arena one, other;
    {
        acre::entered in_one(one);
        CHECK(arena_of_new() == one.get());
        {
            acre::entered in_other(other.get());
            CHECK(arena_of_new() == other.get());
            std::thread([] { CHECK(arena_of_new() == nullptr); }).join();
        }
        CHECK(arena_of_new() == one.get());
    }
    CHECK(arena_of_new() == nullptr);
}

void enter_again(acre::arena &arena, int depth) {
    acre::entered in(arena);
    if (depth > 1) enter_again(arena, depth - 1);
}

void entering_too_deep_throws() {
    acre::arena arena;
    enter_again(arena, 32);
    CHECK(error_of([&] { enter_again(arena, 33); }) == ENOMEM);
    CHECK(arena_of_new() == nullptr);
}

void an_exception_leaves() {
    acre::arena arena; // outlives the exception, which lies in it
    try {
        acre::entered in(arena);
        throw std::runtime_error("a text of more bytes than fit into a string itself");
    } catch (const std::runtime_error &error) {
        CHECK(arena_of_new() == nullptr && std::string(error.what()).size() > 40);
    }
    CHECK(arena.stats().live_blocks == 0);
}

struct throwing {
    std::string text;
    explicit throwing(bool throws) : text(100, 't') {
        if (throws) throw std::runtime_error("not made");
    }
};

struct alignas(256) aligned {
    static int destroyed;
    ~aligned() { destroyed++; }
};
int aligned::destroyed;

void objects_live_in_arenas() {
    acre::arena arena;
    {
        auto object = acre::make_unique_in<aligned>(arena);
        CHECK(reinterpret_cast<std::uintptr_t>(object.get()) % 256 == 0 &&
              acre_arena_of(object.get()) == arena.get());
        auto constant = acre::make_unique_in<const std::pair<int, std::string>>(arena, 3, "three");
        CHECK(constant->first == 3 && constant->second == "three");
        std::unique_ptr<const char, acre::free_delete> block(
            static_cast<char *>(acre_arena_malloc(arena.get(), 9)));
        CHECK(arena.stats().live_blocks == 3);
    }
    CHECK(aligned::destroyed == 1 && arena.stats().live_blocks == 0);
    bool thrown = false;
    try {
        auto never = acre::make_unique_in<throwing>(arena, true);
    } catch (const std::runtime_error &) {
        thrown = true;
    }
    CHECK(thrown && arena.stats().live_blocks == 0);
    CHECK(acre::make_unique_in<throwing>(arena.get(), false)->text.size() == 100);
}

} // namespace

int main() {
    process_expect_malloc();
    process_watchdog(60);
    handles_own();
    handles_work();
    creation_throws();
    resources_own_or_borrow();
    resources_are_equal_by_arena();
    resources_align();
    a_limit_throws_bad_alloc();
    containers_move();
    entering_nests();
    entering_too_deep_throws();
    an_exception_leaves();
    objects_live_in_arenas();
    CHECK(count_arenas() == 0);
}
