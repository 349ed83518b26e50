// C++ in arenas, by acre/memory_resource.hpp: containers of std::pmr with their elements in an arena; containers
// that know nothing of arenas, filled while one is entered; objects and plain blocks behind std::unique_ptr; and
// std::bad_alloc at an arena's limit, after which the program goes on.
#include <acre/memory_resource.hpp>

#include <cstdint>
#include <cstdio>
#include <map>
#include <string>
#include <vector>

namespace {

bool all_well = true;

void expect(bool fulfilled, const char *what) {
    std::printf("%-58s %s\n", what, fulfilled ? "yes" : "NO");
    all_well = all_well && fulfilled;
}

acre_arena_options named(const char *name, std::size_t limit_bytes = 0) {
    acre_arena_options options = acre_arena_options();
    options.name = name;
    options.limit_bytes = limit_bytes;
    return options;
}

// Where the resource goes, the elements' own memory goes too: the strings are in the arena like the map.
void count_words() {
    acre::arena_resource resource(named("words"));
    std::pmr::map<std::pmr::string, int> words(&resource);
    for (int i = 0; i < 10000; i++) {
        std::pmr::string word("a word too long to lie within its string, ", &resource);
        words[word += std::to_string(i % 100)]++;
    }
    const auto &[word, count] = *words.begin();
    expect(words.size() == 100 && count == 100, "a map counts 100 words");
    expect(acre_arena_of(word.data()) == resource.get(), "its strings lie in the arena");
}

void fill_while_entered() {
    acre::arena arena(named("entered"));
    {
        std::vector<std::string> lines;
        {
            acre::entered in(arena);
            for (int i = 0; i < 1000; i++) lines.push_back("line " + std::to_string(i) + ", and more of the same");
        }
        expect(acre_arena_of(lines.data()) == arena.get(), "a plain vector was filled in the arena");
        lines.clear();
    } // before its arena
    expect(arena.stats().live_blocks == 0, "and gave everything back");
}

struct account {
    account(std::string its_owner, int its_cents) : owner(std::move(its_owner)), cents(its_cents) {}
    ~account() { closed++; }
    std::string owner;
    int cents;
    static int closed;
};
int account::closed;

struct alignas(4096) page {
    char bytes[4096];
};

void own_objects() {
    acre::arena arena(named("objects"));
    {
        auto object = acre::make_unique_in<account>(arena, "somebody", 1200);
        auto aligned = acre::make_unique_in<page>(arena);
        std::unique_ptr<char, acre::free_delete> block(static_cast<char *>(acre_arena_malloc(arena.get(), 100)));
        expect(object->cents == 1200 && acre_arena_of(object.get()) == arena.get(), "an object lies in the arena");
        expect(reinterpret_cast<std::uintptr_t>(aligned.get()) % alignof(page) == 0, "a page is aligned as one");
        expect(block != nullptr && arena.stats().live_blocks == 3, "three blocks are live");
    }
    expect(account::closed == 1 && arena.stats().live_blocks == 0, "the object is destroyed, and all blocks free");
}

void meet_the_limit() {
    acre::arena_resource resource(named("limited", 4 << 20));
    std::pmr::vector<int> numbers(&resource);
    bool met = false;
    try {
        for (int i = 0;; i++) numbers.push_back(i);
    } catch (const std::bad_alloc &) {
        met = true;
    }
    expect(met && numbers.size() > 100000, "bad_alloc at the limit, and the vector is whole");
}

} // namespace

int main() { // NOLINT(bugprone-exception-escape): an exception that nobody expects ends the program, as it should
    count_words();
    fill_while_entered();
    own_objects();
    meet_the_limit();
    std::printf("%s\n", all_well ? "all well" : "not well");
    return all_well ? 0 : 1;
}
