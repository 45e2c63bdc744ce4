// Suggestions, the values that options take, and the look of --help.
#include <gtest/gtest.h>

#include "tests/support/cli.h"
#include "tools/checks.h"
#include "tools/suggestion.h"

namespace basin::test {
namespace {

TEST(Usage, ClosestIsAFewLettersAway) {
  const std::vector<std::string> names{"train", "step", "info", "data"};
  EXPECT_EQ(closest("train", names), "train");
  EXPECT_EQ(closest("trian", names), "train");  // two letters exchanged count once
  EXPECT_EQ(closest("tran", names), "train");
  EXPECT_EQ(closest("stepp", names), "step");
  EXPECT_EQ(closest("x", names), "");
  EXPECT_EQ(closest("", names), "");
  EXPECT_EQ(closest("benchmark", names), "");
  EXPECT_EQ(closest("step", {}), "");
  EXPECT_EQ(suggestion("--rhoo", {"--lr", "--rho"}), ", did you mean --rho?");
  EXPECT_EQ(suggestion("--completely", {"--lr", "--rho"}), "");
}

TEST(Usage, NumbersAreTakenWholeAndFinite) {
  for (const char* text : {"0", "-0", "0.5", "1e-3", "3"}) EXPECT_EQ(non_negative()(text), "");
  for (const char* text : {"-1", "nan", "inf", "-inf", "", "1x", " 1", "1 ", "0x1", "1e999", "x"}) {
    EXPECT_EQ(non_negative()(text), std::string("found ") + text + ", expected a number >= 0");
  }
  EXPECT_EQ(positive()("1e-9"), "");
  EXPECT_EQ(positive()("0"), "found 0, expected a number above 0");
  EXPECT_EQ(fraction()("1"), "");
  EXPECT_EQ(fraction()("1.0001"), "found 1.0001, expected a number from 0 to 1");
}

TEST(Usage, WholeNumbers) {
  for (const char* text : {"0", "7", "9223372036854775807"}) EXPECT_EQ(at_least(0)(text), "");
  for (const char* text : {"-1", "1.5", "1e3", "010", "9223372036854775808", "", "+1", "0x10"}) {
    EXPECT_EQ(at_least(0)(text), std::string("found ") + text + ", expected a whole number >= 0");
  }
  EXPECT_EQ(at_least(-3)("-3"), "");
  EXPECT_NE(at_least(-3)("-03"), "");
  EXPECT_EQ(between(1, 4)("4"), "");
  EXPECT_EQ(between(1, 4)("5"), "found 5, expected a whole number from 1 to 4");
}

TEST(Usage, SuggestionsOnTheCommandLine) {
  expect_failure(run_program({"trian"}), 2, {"basin: found 'trian'", "did you mean train?"});
  expect_failure(run_program({"data", "lst"}), 2, {"basin data: found 'lst'", "mean list?"});
  expect_failure(run_program({"train", "--rhoo", "1"}), 2,
                 {"basin train: --rhoo: found no such option, did you mean --rho?"});
  expect_failure(run_program({"train", "--rho"}), 2, {"--rho: found nothing", "expected a value"});
  expect_failure(run_program({"train", "stray"}), 2, {"found 'stray', expected options only"});
  expect_failure(run_program({"train", "--epochs", "3000000000"}), 2,
                 {"--epochs: found 3000000000"});
}

TEST(Usage, HelpFitsAPage) {
  for (const char* command : {"train", "step", "info", "data"}) {
    SCOPED_TRACE(command);
    const std::string help = run_program({command, "--help"}).out;
    EXPECT_EQ(help.find("\n\n\n"), std::string::npos);
    EXPECT_NE(help.find("Example:\n  basin "), std::string::npos);
    const std::string options = help.substr(0, help.find("Example:"));
    size_t begin = 0;
    for (size_t end = 0; (end = options.find('\n', begin)) != std::string::npos; begin = end + 1) {
      EXPECT_LE(end - begin, 102U) << options.substr(begin, end - begin);  // "…" has three bytes
    }
  }
}

}  // namespace
}  // namespace basin::test
