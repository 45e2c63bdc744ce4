// The command line: what is wrong is said in one line on stderr, with the right exit code, and
// nothing is written.
#include "tests/support/cli.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "kernels/has_cuda.h"
#include "kernels/stream.h"

namespace basin::test {
namespace {

// `basin train` on shapes with these options must fail and make no folder.
void expect_refused(const std::vector<std::string>& options,
                    const std::vector<std::string>& parts) {
  SCOPED_TRACE(testing::PrintToString(options));
  const Folder folder;
  const std::string out = folder.file("run");
  expect_failure(run_program(std::vector<std::string>{"train", "--out", out} + options), 2,
                 std::vector<std::string>{"basin train: "} + parts);
  EXPECT_FALSE(std::filesystem::exists(out));
}

TEST(Cli, HelpAndVersionSucceed) {
  for (const std::vector<std::string>& words : std::vector<std::vector<std::string>>{
           {"--help"}, {"--version"}, {"train", "--help"}, {"step", "--help"}, {"info"}}) {
    const ProgramResult result = run_program(words);
    EXPECT_EQ(result.code, 0) << words[0];
    EXPECT_NE(result.out, "") << words[0];
    EXPECT_EQ(result.err, "") << words[0];
  }
}

TEST(Cli, InfoSaysHowGroupsWouldBeReplayed) {
  const ProgramResult result =
      run_program({"info", "--width", "4", "--microbatch", "1", "--batch", "8"});
  EXPECT_EQ(result.code, 0) << result.err;
  EXPECT_THAT(result.out, testing::ContainsRegex("mlp +groups of 1 by ghost: planned ghost"));
  EXPECT_THAT(result.out, testing::ContainsRegex(
                              "resnet_tiny +groups of 1 by loop: planned ghost .batch norm"));
}

TEST(Cli, WrongCommands) {
  expect_failure(run_program({}), 2, {"basin: ", "--help"});
  expect_failure(run_program({"trian"}), 2, {"basin: ", "'trian'"});
  expect_failure(run_program({"step"}), 2, {"basin step: ", "required"});
  expect_failure(run_program({"data", "verify", "nonsense"}), 2, {"'nonsense'", "fashion-mnist"});
}

TEST(Cli, WrongOptions) {
  expect_refused({"--bogus"}, {"--bogus"});
  expect_refused({"--model", "nonsense"}, {"--model", "'nonsense'", "resnet_tiny_gn"});
  expect_refused({"--dataset", "nonsense"}, {"--dataset", "'nonsense'", "shapes"});
  expect_refused({"--optimizer", "nonsense"}, {"--optimizer", "nonsense", "sam"});
  expect_refused({"--schedule", "nonsense"}, {"--schedule", "'nonsense'", "cosine"});
  expect_refused({"--decay", "nonsense"}, {"--decay: found 'nonsense'", "l2 or decoupled"});
  expect_refused({"--statistics", "frist"}, {"--statistics: found 'frist'", "mean first?"});
  expect_refused({"--rho", "-1"}, {"--rho", "found -1", "expected"});
  expect_refused({"--rho", "nan"}, {"--rho", "found nan", "expected"});
  expect_refused({"--lr", "inf"}, {"--lr", "found inf", "expected"});
  expect_refused({"--batch", "0"}, {"--batch", "found 0", "expected"});
  expect_refused({"--batch", "7x"}, {"--batch", "found 7x", "expected"});
  expect_refused({"--batch", "32", "--batch", "64"}, {"--batch"});
  expect_refused({"--train-size", "16", "--batch", "17"}, {"--batch", "found 17", "16"});
  expect_refused({"--train-size", "1000000"}, {"--train-size", "found 1000000", "10000"});
  expect_refused({"--test-size", "1000000"}, {"--test-size", "found 1000000", "2000"});
  expect_refused({"--label-noise", "1.5"}, {"--label-noise", "found 1.5", "expected"});
  expect_refused({"--threads", "0"}, {"--threads", "found 0", "expected"});
  expect_refused({"--device", "tpu"}, {"--device", "tpu", "cuda"});
}

TEST(Cli, CudaWhereThereIsNone) {
  // Of the devices that there are, the one behind the last is not there either.
  const std::string device = "cuda:" + std::to_string(cuda_device_count());
  expect_refused({"--device", device}, {"--device cuda", kHasCuda ? "found" : "CUDA"});
}

TEST(Cli, WrongConfigFiles) {
  const Folder folder;
  const std::string path = folder.file("a.toml");
  const auto refused = [&](const std::string& text, const std::vector<std::string>& parts) {
    write_bytes(path, text);
    expect_refused({"--config", path}, std::vector<std::string>{path} + parts);
  };
  refused("width = 4\nbogus = 1\n", {"line 2", "bogus"});
  refused("width = 4\nwidth 5\n", {"line 2"});
  refused("width = [4]\n", {"line 1", "width"});
  refused("[train]\nwidth = 4\n", {"line 1", "train"});
  refused("model = \"\"\n", {"line 1", "model"});
  refused("config = \"b.toml\"\n", {"line 1", "config"});
  refused("lr = 1\nrho = -0.5\n", {"line 2: rho: ", "found -0.5, expected a number >= 0"});
  expect_refused({"--config", folder.file("absent.toml")}, {"absent.toml"});
  expect_refused({"--config", folder.path()}, {folder.path()});
}

TEST(Cli, ConfigFilesOfSubcommands) {
  const Folder folder;
  const std::string path = folder.file("a.toml");
  const std::vector<std::string> words = {"bench", "step", "--config", path};
  write_bytes(path, "model = \"nonsense\"\n");
  expect_failure(run_program(words), 2, {"basin bench step: --model: found 'nonsense'"});
  write_bytes(path, "epochs = 1\n");
  expect_failure(run_program(words), 2,
                 {"basin bench step: ", "a.toml: line 1: epochs", "option of basin bench step"});
}

TEST(Cli, DataThatIsNotThere) {
  const Folder folder;
  const std::string data = folder.file("nowhere");
  expect_refused({"--dataset", "mnist", "--data-dir", data}, {"--dataset", "mnist", data});
}

TEST(Cli, CutOffData) {
  const Folder folder;
  const auto write = [&](const std::string& kind, int64_t images_kept) {
    const std::string n = big_endian(20), side = big_endian(28);
    write_bytes(folder.file(kind + "-images-idx3-ubyte"),
                big_endian(2051) + n + side + side + std::string(images_kept, '\7'));
    write_bytes(folder.file(kind + "-labels-idx1-ubyte"),
                big_endian(2049) + n + std::string(20, '\1'));
  };
  const std::vector<std::string> options{"--dataset", "mnist", "--data-dir", folder.path()};
  write("train", 20 * 28 * 28 - 1);
  write("t10k", 20 * 28 * 28);
  expect_refused(options, {"train-images-idx3-ubyte", "15679", "15680", "offset 16"});
  write("train", 20 * 28 * 28);
  write("t10k", 0);
  expect_refused(options, {"t10k-images-idx3-ubyte", "found 0", "15680"});
}

TEST(Cli, FolderThatCannotBeMade) {
  const Folder folder;
  const std::string file = folder.file("file");
  write_bytes(file, "kept");
  for (const std::string& out : {file, file + "/run"}) {
    expect_failure(run_program(small_training(out, "linear")), 2, {"--out", out});
  }
  EXPECT_EQ(bytes_of(file), "kept");
  EXPECT_EQ(folder.names(), std::vector<std::string>{"file"});
}

}  // namespace
}  // namespace basin::test
