// "did you mean ...?"
#pragma once

#include <string>
#include <vector>

namespace basin {

// The candidate that `word` was meant to be, if a few letters are wrong; else "".
std::string closest(const std::string& word, const std::vector<std::string>& candidates);

// ", did you mean X?", or "".
std::string suggestion(const std::string& word, const std::vector<std::string>& candidates);

}  // namespace basin
