// What the values of options may be, and the line that says so.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

namespace basin {

// What is wrong with an option's value, or "": "found -1, expected a number >= 0".
using Check = std::function<std::string(const std::string&)>;

Check non_negative();  // finite
Check positive();      // finite
Check finite();
Check at_least(int64_t n);  // a whole number
Check between(int64_t least, int64_t most);
Check fraction();  // 0 to 1
Check one_of(const std::vector<std::string>& words);
Check picture();    // a file name that ends in .png or .svg
Check seed_list();  // "0,1,2": whole numbers >= 0, none of them twice

// "a, b or c"
std::string listed(const std::vector<std::string>& words);
// "a,b,c" -> a, b, c
std::vector<std::string> split(const std::string& list);

}  // namespace basin
