// --chunk measure: the choice among costs, and what a run says and keeps of it.
#include "tools/chunk_choice.h"

#include <gtest/gtest.h>

#include "tests/support/cli.h"

namespace basin::test {
namespace {

TEST(ChunkChoice, TakesTheCheapestUnlessTheFirstIsNearlySo) {
  EXPECT_EQ(cheapest_chunk({{16, 1.0}}), 16);
  EXPECT_EQ(cheapest_chunk({{16, 1.0}, {32, 0.98}, {8, 0.99}}), 16);
  EXPECT_EQ(cheapest_chunk({{16, 1.0}, {32, 0.9}, {8, 0.8}, {64, 0.85}}), 8);
}

TEST(ChunkChoice, LeavesANumberAlone) {
  StepOptions options;
  options.batch = 4, options.chunk = 3;
  EXPECT_EQ(choose_chunk(Stream::cpu(2), {.name = "mlp"}, DType::Float32, options), "");
  EXPECT_EQ(options.chunk, 3);
}

TEST(ChunkChoice, IsForNetworksThatMayBeCut) {
  StepOptions options;
  options.batch = 4, options.chunk = kMeasuredChunk;
  EXPECT_EQ(
      choose_chunk(Stream::cpu(2), {.name = "resnet_tiny", .width = 4}, DType::Float32, options),
      "the batch is whole: batch norm needs it so");
  EXPECT_EQ(options.chunk, 0);
  options.batch = 64, options.threads = 2, options.chunk = kMeasuredChunk;
  const std::string line =
      choose_chunk(Stream::cpu(2), {.name = "resnet_tiny_gn", .width = 4}, DType::Float32, options);
  EXPECT_EQ(line.find(fmt::format("chunks of {}; ms an example and thread: 16: ", options.chunk)),
            0U)
      << line;
  EXPECT_EQ(line.find(" 64: "), std::string::npos) << line;  // more than a thread's share
}

TEST(ChunkChoice, WhatIsBenchedHasIt) {
  for (const std::vector<std::string>& command :
       {std::vector<std::string>{"bench", "step", "--repeats", "1"}, {"profile", "--rows", "1"}}) {
    const ProgramResult result = run_program(
        command + std::vector<std::string>{"--model", "mlp", "--width", "4", "--batch", "32",
                                           "--threads", "1", "--chunk", "measure"});
    EXPECT_EQ(result.code, 0) << result.err;
    bool measured = false;  // among 8, 16 and 32
    for (const char* chunk : {" 8,", " 16,", " 32,"}) {
      measured |= result.out.find(std::string("chunks of") + chunk) != std::string::npos;
    }
    EXPECT_TRUE(measured) << result.out;
  }
}

TEST(ChunkChoice, ARunPrintsAndKeepsIt) {
  const Folder folder;
  const std::vector<std::string> words = {
      "train",        "--model", "mlp",         "--width", "4",
      "--train-size", "64",      "--test-size", "16",      "--batch",
      "32",           "--chunk", "measure",     "--out",   folder.file("run")};
  const ProgramResult run = run_program(words);
  EXPECT_EQ(run.code, 0) << run.err;
  EXPECT_NE(run.out.find("\nchunks of "), std::string::npos) << run.out;
  const std::string config = bytes_of(folder.file("run/config.toml"));
  EXPECT_NE(config.find("\nchunk = "), std::string::npos);
  EXPECT_EQ(config.find("\nchunk = -1"), std::string::npos);
  expect_failure(run_program(words + std::vector<std::string>{"--resume"}), 2,
                 {"--chunk: found measure with --resume", "config.toml"});
  expect_failure(run_program({"train", "--chunk", "-1", "--out", folder.file("no")}), 2,
                 {"--chunk: found -1", "expected"});
}

}  // namespace
}  // namespace basin::test
