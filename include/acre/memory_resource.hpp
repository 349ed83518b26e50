// acre's arenas in C++17: a handle that destroys its arena, a std::pmr::memory_resource, entering for a scope, and
// std::unique_ptr to what lies in one. Header only; the program is linked with libacre. acre/acre.h says what an
// arena promises.
//
// What lies in an arena ends with it, without its destructor: containers and pointers that use one go first. That
// holds for an exception, too, if it is thrown while the arena is entered (acre::entered below).
#ifndef ACRE_MEMORY_RESOURCE_HPP
#define ACRE_MEMORY_RESOURCE_HPP

#include "acre/acre.h"

#include <cerrno>
#include <cstddef>
#include <cstdlib>
#include <memory>
#include <memory_resource>
#include <new>
#include <system_error>
#include <type_traits>
#include <utility>

namespace acre {

// An arena of this program's own, destroyed with its handle. Moving hands it on; a handle that was moved from has
// none, and may only be assigned to, destroyed, or asked for get().
class arena {
  public:
    // Throws std::system_error with the errno of acre_arena_create.
    explicit arena(const acre_arena_options &options = acre_arena_options())
        : handle_(acre_arena_create(&options)) {
        if (handle_ == nullptr) throw std::system_error(errno, std::generic_category(), "acre_arena_create");
    }
    // Takes over one that exists.
    explicit arena(acre_arena *handle) noexcept : handle_(handle) {}
    arena(arena &&other) noexcept : handle_(other.detach()) {}
    arena &operator=(arena &&other) noexcept {
        arena(std::move(other)).swap(*this);
        return *this;
    }
    arena(const arena &) = delete;
    arena &operator=(const arena &) = delete;
    ~arena() {
        if (handle_ != nullptr) acre_arena_destroy(handle_);
    }

    acre_arena *get() const noexcept { return handle_; }
    // The arena is the caller's from now on. Not called release(), which is acre_arena_release here.
    acre_arena *detach() noexcept { return std::exchange(handle_, nullptr); }
    void swap(arena &other) noexcept { std::swap(handle_, other.handle_); }

    void reset() noexcept { acre_arena_reset(handle_); }
    bool release() noexcept { return acre_arena_release(handle_); }
    struct acre_arena_figures stats() const noexcept {
        struct acre_arena_figures figures;
        acre_arena_stats(handle_, &figures);
        return figures;
    }

  private:
    acre_arena *handle_;
};

namespace detail {

// Every block is aligned for any type that asks for nothing special, which spares the look at the alignment.
inline void *allocate(acre_arena *arena, std::size_t size, std::size_t alignment) {
    void *block = alignment <= alignof(std::max_align_t) ? acre_arena_malloc(arena, size)
                                                         : acre_arena_aligned_alloc(arena, alignment, size);
    if (block == nullptr) throw std::bad_alloc();
    return block;
}

} // namespace detail

// Memory for std::pmr from an arena, which it owns or borrows. Throws std::bad_alloc at the arena's limit. As many
// threads may use it at a time as the arena allows: any number, unless it was made with single_thread.
class arena_resource : public std::pmr::memory_resource {
  public:
    // Borrows: the arena is there for longer than the resource.
    explicit arena_resource(acre_arena *borrowed) noexcept : handle_(borrowed) {}
    explicit arena_resource(acre::arena &borrowed) noexcept : handle_(borrowed.get()) {}
    // Owns: the arena ends with the resource.
    explicit arena_resource(acre::arena &&owned) noexcept : owned_(std::move(owned)), handle_(owned_.get()) {}
    explicit arena_resource(const acre_arena_options &options) : owned_(options), handle_(owned_.get()) {}
    // Containers keep its address.
    arena_resource(const arena_resource &) = delete;
    arena_resource &operator=(const arena_resource &) = delete;

    acre_arena *get() const noexcept { return handle_; }

  protected:
    void *do_allocate(std::size_t size, std::size_t alignment) override {
        return detail::allocate(handle_, size, alignment);
    }
    void do_deallocate(void *block, std::size_t, std::size_t) override { std::free(block); }
    // free would take the blocks of either. But a container that is moved onto an equal resource takes its blocks
    // along, and these end with the arena that they are in.
    bool do_is_equal(const std::pmr::memory_resource &other) const noexcept override {
        if (this == &other) return true;
#ifdef __cpp_rtti
        const auto *same_kind = dynamic_cast<const arena_resource *>(&other);
        return same_kind != nullptr && same_kind->handle_ == handle_;
#else
        return false;
#endif
    }

  private:
    acre::arena owned_{static_cast<acre_arena *>(nullptr)};
    acre_arena *handle_;
};

// Enters an arena for a scope. What this thread allocates there by malloc and operator new comes from the arena,
// whoever asks: the library's own buffers, static objects at their first use, new threads' records, exceptions. An
// exception that leaves the scope must be caught before the arena is reset or destroyed.
class [[nodiscard]] entered {
  public:
    // Throws std::system_error with the errno of acre_arena_enter.
    explicit entered(acre_arena *arena) {
        if (!acre_arena_enter(arena)) throw std::system_error(errno, std::generic_category(), "acre_arena_enter");
    }
    explicit entered(acre::arena &arena) : entered(arena.get()) {}
    entered(const entered &) = delete;
    entered &operator=(const entered &) = delete;
    ~entered() { acre_arena_leave(); }
};

// For std::unique_ptr to a block without a destructor, of an arena or of malloc.
struct free_delete {
    void operator()(const void *block) const noexcept { std::free(const_cast<void *>(block)); }
};

// For std::unique_ptr to one object in a block. There is no way from that of a derived class to that of its base:
// the base may lie further inside, where no block begins.
template <class T> struct object_delete {
    static_assert(!std::is_array_v<T>, "one object; std::pmr::vector is for more");
    void operator()(T *object) const noexcept {
        object->~T();
        free_delete()(const_cast<const std::remove_cv_t<T> *>(object));
    }
};

template <class T> using unique_in = std::unique_ptr<T, object_delete<T>>;

// An object in the arena. Throws std::bad_alloc, or what the constructor throws.
template <class T, class... Arguments> unique_in<T> make_unique_in(acre_arena *arena, Arguments &&...arguments) {
    std::unique_ptr<void, free_delete> block(detail::allocate(arena, sizeof(T), alignof(T)));
    T *object = ::new (block.get()) T(std::forward<Arguments>(arguments)...);
    (void)block.release();
    return unique_in<T>(object);
}
template <class T, class... Arguments> unique_in<T> make_unique_in(arena &arena, Arguments &&...arguments) {
    return make_unique_in<T>(arena.get(), std::forward<Arguments>(arguments)...);
}

} // namespace acre

#endif
