// `basin bench scaling`: what it prints and writes, and what it refuses; speeds are not judged.
#include <cmath>
#include <filesystem>

#include "models/model.h"
#include "tests/support/json.h"
#include "tests/support/measured.h"

namespace basin::test {
namespace {

using Json = nlohmann::json;
using testing::HasSubstr;
using testing::Not;
using Words = std::vector<std::string>;

const Words kTiny{"bench",    "scaling", "--model",   "mlp", "--width",         "4",
                  "--batch",  "6",       "--threads", "2",   "--batches",       "3,6,12",
                  "--widths", "2,5",     "--repeats", "3",   "--thread-counts", "1,2"};

Words point(const Json& row) {
  return {row["axis"], row["batch"].dump(), row["width"].dump(), row["threads"].dump()};
}

TEST(Scaling, EachAxisIsVariedAlone) {
  const Folder folder;
  const std::string path = folder.file("s.json");
  const ProgramResult result = run_program(kTiny + Words{"--json", path});
  ASSERT_EQ(result.code, 0) << result.err;
  const Json all = json_of(path);
  expect_context(all);
  EXPECT_THAT(all["context"]["command"].get<std::string>(), HasSubstr("--batches 3,6,12"));

  std::vector<Words> points;
  for (const Json& row : all["results"]) {
    points.push_back(point(row));
    EXPECT_EQ(row["optimizer"], "sam");
    EXPECT_EQ(row["repeats"], 3);
    EXPECT_EQ(row["parameters"],
              make_model({.name = "mlp", .width = row["width"]}).parameters->count());
    EXPECT_GT(row["chunk"], 0);
    EXPECT_GT(row["min_ms"], 0);
    EXPECT_LE(row["min_ms"], row["median_ms"]);
    EXPECT_LE(row["median_ms"], row["max_ms"]);
    EXPECT_DOUBLE_EQ(row["us_per_image"].get<double>() * row["batch"].get<double>(),
                     1e3 * row["median_ms"].get<double>());
    for (const char* part : {"forward", "backward", "norm", "ascent", "descent"}) {
      EXPECT_GT(row["parts_ms"][part], 0) << part;
    }
    EXPECT_LE(row["update_ms"]["min"], row["update_ms"]["median"]);
    EXPECT_LE(row["update_ms"]["median"], row["update_ms"]["max"]);
    EXPECT_EQ(row.contains("speed_up"), row["axis"] == "threads");
  }
  EXPECT_EQ(points, (std::vector<Words>{{"batch", "3", "4", "2"},
                                        {"batch", "6", "4", "2"},
                                        {"batch", "12", "4", "2"},
                                        {"width", "6", "2", "2"},
                                        {"width", "6", "5", "2"},
                                        {"threads", "6", "4", "1"},
                                        {"threads", "6", "4", "2"}}));
  const Json &one = all["results"][5], &two = all["results"][6];
  EXPECT_EQ(one["speed_up"], 1);
  EXPECT_DOUBLE_EQ(two["speed_up"],
                   one["median_ms"].get<double>() / two["median_ms"].get<double>());
}

TEST(Scaling, TheFitsAreOfTheMedians) {
  const Folder folder;
  const std::string path = folder.file("s.json");
  const ProgramResult result =
      run_program(kTiny + Words{"--json", path, "--optimizer", "sgd", "--quiet"});
  ASSERT_EQ(result.code, 0) << result.err;
  EXPECT_EQ(result.out, "");
  const Json all = json_of(path);
  const Json &results = all["results"], &fits = all["fits"];
  std::vector<Words> found;
  for (const Json& f : fits) {
    found.push_back({f["axis"], f["y"], f["x"]});
    EXPECT_LE(f["least_by_round"], f["most_by_round"]);
    EXPECT_LE(f["r_squared"], 1);
    EXPECT_GT(f["coefficient_ms"], 0);
    EXPECT_EQ(f["standard_error"].is_null(), f["points"] == 2);
  }
  EXPECT_EQ(found, (std::vector<Words>{{"batch", "step", "batch"},
                                       {"width", "step", "width"},
                                       {"width", "step", "parameters"},
                                       {"width", "update", "parameters"},
                                       {"threads", "step", "threads"}}));
  // Two points: the exponent is the ratio of the logarithms.
  const auto slope = [&](const char* x, double y0, double y1) {
    return std::log(y1 / y0) / std::log(results[4][x].get<double>() / results[3][x].get<double>());
  };
  const double step0 = results[3]["median_ms"], step1 = results[4]["median_ms"];
  EXPECT_NEAR(fits[1]["exponent"], slope("width", step0, step1), 1e-9);
  EXPECT_NEAR(fits[2]["exponent"], slope("parameters", step0, step1), 1e-9);
  EXPECT_NEAR(
      fits[3]["exponent"],
      slope("parameters", results[3]["update_ms"]["median"], results[4]["update_ms"]["median"]),
      1e-9);
  EXPECT_EQ(results[3]["parts_ms"]["ascent"], 0);  // sgd: the descent is the whole update
  EXPECT_EQ(results[3]["parts_ms"]["descent"], results[3]["update_ms"]["median"]);
}

// One point an axis, but for the widths.
ProgramResult linear_with_widths(const std::string& widths, const std::string& json) {
  return run_program({"bench", "scaling", "--model", "linear", "--batch", "4", "--threads", "1",
                      "--batches", "4", "--widths", widths, "--thread-counts", "1", "--repeats",
                      "1", "--json", json});
}

// The linear model has no width: its parameters stay, and nothing is fitted against them.
TEST(Scaling, ParametersThatStayTheSameAreNoAxis) {
  const Folder folder;
  const std::string path = folder.file("s.json");
  const ProgramResult result = linear_with_widths("4,8", path);
  ASSERT_EQ(result.code, 0) << result.err;
  const Json fits = json_of(path)["fits"];
  ASSERT_EQ(fits.size(), 1U);
  EXPECT_EQ(fits[0]["x"], "width");
}

TEST(Scaling, OnePointHasNoFit) {
  const Folder folder;
  const std::string path = folder.file("s.json");
  const ProgramResult result = linear_with_widths("16", path);
  ASSERT_EQ(result.code, 0) << result.err;
  for (const char* axis : {"batch", "width", "threads"}) {
    EXPECT_THAT(result.out, HasSubstr(std::string("one point: no fit against ") + axis));
  }
  EXPECT_EQ(json_of(path)["fits"], Json::array());
}

TEST(Scaling, WrongUse) {
  const auto refused = [](const Words& words, const Words& parts) {
    SCOPED_TRACE(testing::PrintToString(words));
    const ProgramResult result = run_program(Words{"bench", "scaling", "--repeats", "1"} + words);
    expect_failure(result, 2, parts);
    EXPECT_THAT(result.out, Not(HasSubstr("median")));  // said before anything is measured
  };
  for (const char* list : {"32,16", "8,8", "0,4", "4,,8", "8,", "x", "8,1x", "010", "-4", "1.5"}) {
    refused({std::string("--batches=") + list},
            {"--batches", std::string("found ") + list + ", expected whole numbers from 1"});
  }
  refused({"--widths", "8,9999999999999999999"}, {"--widths", "found 8,9999999999999999999"});
  refused({"--thread-counts", "1,2000"}, {"--thread-counts", "found 1,2000", "to 1024"});
  refused({"--batches", "8", "--batches", "16"}, {"--batches", "found more than one value"});
  refused({"--model", "nonsense"}, {"--model", "'nonsense'"});
  refused({"--widths", "4,5"}, {"width", "found 5"});  // groups of two channels
  refused({"--repeats", "0"}, {"--repeats"});
  refused({"--plot", "s.gif"}, {"--plot: found 's.gif'", ".png or .svg"});
  refused({"--plot", "/nonexistent/s.png"}, {"/nonexistent/s.png"});
  refused({"--json", "/nonexistent/s.json"}, {"/nonexistent/s.json"});
  refused({"--device", "tpu"}, {"--device", "tpu"});
  refused({"--device", "cuda"}, {"--device", "found cuda"});
  refused({"--optimizer", "adam"}, {"--optimizer", "'adam'", "sam"});
  refused({"--optimizer", "sgd,sam"}, {"--optimizer", "'sgd,sam'"});
}

// The tests' environment has no Python that runs.
TEST(Scaling, APictureThatIsNotDrawnFailsTheRunBehindItsResults) {
  const Folder folder;
  const std::string json = folder.file("s.json");
  const ProgramResult result =
      run_program(kTiny + Words{"--json", json, "--plot", folder.file("s.png")});
  expect_failure(result, 1, {"--plot: no picture", "matplotlib"});
  EXPECT_EQ(folder.names(), std::vector<std::string>{"s.json"});
  EXPECT_EQ(json_of(json)["results"].size(), 7U);
}

}  // namespace
}  // namespace basin::test
