// Does not compile: the long template messages are what is compared.
#include <algorithm>
#include <list>
#include <map>
#include <string>
int main() {
    std::list<std::map<std::string, int>> values;
    std::sort(values.begin(), values.end());
    std::map<std::list<int>, std::string> other = values;
    return other;
}
