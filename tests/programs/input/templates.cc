// Templates that make a compiler work: recursion, tuples, standard containers, regular expressions.
#include <algorithm>
#include <functional>
#include <iostream>
#include <map>
#include <memory>
#include <regex>
#include <string>
#include <tuple>
#include <unordered_map>
#include <variant>
#include <vector>

template <int N> struct Fibonacci { static constexpr long value = Fibonacci<N - 1>::value + Fibonacci<N - 2>::value; };
template <> struct Fibonacci<1> { static constexpr long value = 1; };
template <> struct Fibonacci<0> { static constexpr long value = 0; };

template <typename... T> struct List {};
template <int N, typename... T> struct Grow : Grow<N - 1, std::integral_constant<int, N>, T...> {};
template <typename... T> struct Grow<0, T...> { using type = std::tuple<typename T::value_type...>; };

using Value = std::variant<int, double, std::string, std::vector<int>, std::map<std::string, int>>;
struct Print {
    template <typename T> std::string operator()(const T &) const { return typeid(T).name(); }
};

int main() {
    std::map<std::string, std::vector<std::unique_ptr<Value>>> table;
    std::unordered_map<int, std::function<Value(int)>> makers{
        {0, [](int i) { return Value(i); }}, {1, [](int i) { return Value(i * 0.5); }},
        {2, [](int i) { return Value(std::string(i, 'x')); }}, {3, [](int i) { return Value(std::vector<int>(i, i)); }}};
    for (int i = 0; i < 100; i++) table[std::to_string(i % 7)].push_back(std::make_unique<Value>(makers[i % 4](i)));
    for (auto &[key, values] : table) {
        std::sort(values.begin(), values.end(), [](auto &a, auto &b) { return a->index() < b->index(); });
        for (auto &value : values) std::cout << key << std::visit(Print(), *value) << ' ';
    }
    std::regex words("([a-z]+)-([0-9]+)");
    std::cout << std::regex_replace(std::string("ab-12 cd-34"), words, "$2:$1") << Fibonacci<80>::value
              << std::tuple_size<Grow<150>::type>::value << '\n';
}
