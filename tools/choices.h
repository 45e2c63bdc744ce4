// The words that an option takes, and what each of them stands for.
#pragma once

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

namespace basin {

template <class Value>
using Choices = std::vector<std::pair<std::string, Value>>;

template <class Value>
const std::string& choice_name(const Choices<Value>& choices, Value value) {
  return std::find_if(choices.begin(), choices.end(),
                      [&](const auto& choice) { return choice.second == value; })
      ->first;
}

}  // namespace basin
