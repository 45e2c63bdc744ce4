// What the tests of `basin bench` and `basin profile` share; none judges a speed.
#pragma once

#include <nlohmann/json.hpp>

#include "tests/support/cli.h"

namespace basin::test {

// A network whose step takes milliseconds.
inline const std::vector<std::string> kSmall{"--model", "resnet_tiny_gn", "--width", "4", "--batch",
                                             "20",      "--threads",      "2"};

// Where and how a file of results was measured stands in it.
inline void expect_context(const nlohmann::json& all) {
  for (const char* key :
       {"processor", "instruction_set", "libraries", "threads", "date", "command"}) {
    EXPECT_TRUE(all["context"].contains(key)) << key;
  }
}

}  // namespace basin::test
