// `basin surface` and `basin sharpness` with --device cuda: the CPU's results within rounding.
#include <cmath>

#include "tests/support/checkpoints.h"
#include "tests/support/cli.h"
#include "tests/support/json.h"

namespace basin::test {
namespace {

using Json = nlohmann::json;
using Words = std::vector<std::string>;

// Every number of `found` near that of `expected`, whatever they are nested in.
void expect_near(const Json& found, const Json& expected, const std::string& where) {
  if (expected.is_number_float()) {
    const double x = expected;
    EXPECT_NEAR(found.get<double>(), x, 1e-3 * std::abs(x) + 1e-5) << where;
  } else if (expected.is_structured()) {
    ASSERT_EQ(found.size(), expected.size()) << where;
    for (const auto& [key, value] : expected.items()) {
      const Json& other = expected.is_array() ? found[std::stoul(key)] : found[key];
      expect_near(other, value, where + "/" + key);
    }
  } else {
    EXPECT_EQ(found, expected) << where;
  }
}

void expect_same_on_both(const Folder& folder, const Words& words) {
  std::vector<Json> results;
  for (const char* device : {"cpu", "cuda"}) {
    const std::string out = folder.file(device);
    const ProgramResult r =
        run_program(words + Words{"--device", device, "--threads", "2", "--quiet", "--out", out});
    ASSERT_EQ(r.code, 0) << r.err;
    results.push_back(json_of(out + "/" + words[0] + ".json"));
  }
  expect_near(results[1], results[0], words[0]);
}

TEST(LandscapeOnCuda, SurfacesAreTheCpus) {
  const Folder folder;
  for (const char* model : {"mlp", "resnet_tiny"}) {
    const std::string a = write_checkpoint(folder, "a", model, 4, 1);
    const std::string b = write_checkpoint(folder, "b", model, 4, 2);
    expect_same_on_both(folder, {"surface", "--between", a, b, "--from", "0", "--points", "3",
                                 "--examples", "4", "--reestimate", "4", "--split", "test"});
  }
  const std::string a = write_checkpoint(folder, "a", "mlp", 4, 1);
  expect_same_on_both(folder, {"surface", "--checkpoint", a, "--points", "2", "--radius", "0.3",
                               "--examples", "4"});
}

TEST(LandscapeOnCuda, SharpnessIsTheCpus) {
  const Folder folder;
  const std::string w = write_checkpoint(folder, "w", "mlp", 4, 1);
  const Words words{"sharpness", "--checkpoint", w,         "--microbatch", "2", "--examples",
                    "5",         "--rho",        "0.1,0.2", "--steps",      "3", "--step-size",
                    "0.5",       "--average",    "1"};
  expect_same_on_both(folder, words);
  expect_same_on_both(folder, words + Words{"--adaptive", "--random-start"});
  const std::string frozen = write_checkpoint(folder, "r", "resnet_tiny", 4, 1);
  expect_same_on_both(
      folder, {"sharpness", "--checkpoint", frozen, "--microbatch", "2", "--examples", "2", "--rho",
               "0.1", "--steps", "1", "--step-size", "1"});
}

}  // namespace
}  // namespace basin::test
