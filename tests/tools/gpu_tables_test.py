"""Checks tools/gpu_tables.py on made-up files."""
import contextlib
import io
import json
import pathlib
import sys
import tempfile
import unittest
from unittest import mock

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "tools"))
import gpu_tables  # noqa: E402


def step(engine, optimizer, median, **more):
    return {"model": "net", "width": 8, "precision": "bf16", "engine": engine,
            "optimizer": optimizer, "median_ms": median, **more}


def bench(name, real_time, unit="ns", **more):
    return {"name": name, "run_type": "iteration", "real_time": real_time, "time_unit": unit,
            **more}


def moving(name, kib, microseconds, **more):
    rate = kib * 1024 / (microseconds * 1e-6)
    return bench(name, microseconds, "us", bytes_per_second=rate, **more)


def launch(name, nanoseconds, moved="0"):
    return [name, "(64, 1, 1)", nanoseconds, moved]


def ours(body, arguments="long, const float *"):
    return f"void basin::run_body<basin::{body}, {arguments}>(T2...)"


DESCENT = ours("MapBody<float, basin::MomentumDescent<float>>")
HEAD = ["Kernel Name", "Block Size", "gpu__time_duration.sum", "dram__bytes.sum"]
UNITS = ["", "", "ns", "byte"]


def profile(*launches, head=None, units=None):
    rows = [head or HEAD, units or UNITS, *launches]
    return "==PROF== Connected to process 7\n" + "".join(
        ",".join(f'"{cell}"' for cell in row) + "\n" for row in rows)


class Tables(unittest.TestCase):
    def run_on(self, files, code=0):
        """The program's lines, for a folder of these files; a file's contents may be JSON."""
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        for name, contents in files.items():
            text = contents if isinstance(contents, str) else json.dumps(contents)
            (pathlib.Path(folder.name) / name).write_text(text, encoding="utf-8")
        out = io.StringIO()
        with mock.patch("sys.argv", ["gpu_tables.py", folder.name]), \
                contextlib.redirect_stdout(out):
            self.assertEqual(gpu_tables.main(), code, out.getvalue())
        return [line for line in out.getvalue().splitlines() if line]

    def rows(self, files):
        """The cells of all rows below the heads of the tables."""
        lines = self.run_on(files)
        heads = [i - 1 for i, line in enumerate(lines) if line.startswith("|---")]
        return [[cell.strip() for cell in line.strip("|").split("|")]
                for i, line in enumerate(lines) if line.startswith("| ") and i not in heads]


class Steps(Tables):
    def test_beside_each_mode_of_the_other_engine(self):
        rows = self.rows({"step-a.json": {"results": [
            step("basin", "sgd", 4.0, parts_ms={"forward": 1.0, "backward": 2.0}),
            step("basin", "sam", 9.0, parts_ms={"forward": 1}),
            step("pytorch eager", "sgd", 8.0), step("pytorch eager", "sam", 16.0),
            step("pytorch compiled", "sgd", 5.0), step("pytorch graph", "sam", 4.5),
            step("pytorch graph", "sgd", None)]}})
        self.assertEqual(rows, [
            ["net", "8", "bf16", "sgd", "4.000", "8.000", "5.000", "-", "0.50", "0.80", "25.0 %"],
            ["net", "8", "bf16", "sam", "9.000", "16.000", "-", "4.500", "0.56", "2.00", "-"]])

    def test_alone_and_in_several_files(self):
        rows = self.rows({f"step-{i}.json": {"results": [step("basin", "sgd", i)]} for i in (1, 2)})
        self.assertEqual([row[4:] for row in rows],
                         [[f"{i}.000", "-", "-", "-", "-", "-", "-"] for i in (1, 2)])


class Kernels(Tables):
    def test_share_of_the_copy_that_is_nearest_from_above(self):
        rows = self.rows({"kernels.json": {"benchmarks": [
            moving("cuda_copy/n:1/manual_time", 1, 1), moving("cuda_copy/n:4/manual_time", 4, 1),
            moving("cuda_copy/n:64/manual_time", 64, 32),
            moving("cuda_norm<float>/n:2/c:3/manual_time", 2, 1),
            moving("cuda_norm<float>/n:9/manual_time", 5, 5),
            moving("cuda_norm<float>/n:99/manual_time", 256, 256)]}})
        self.assertEqual([row[4] for row in rows[:3]], ["1.00", "1.00", "1.00"])
        self.assertEqual(rows[3], ["`norm<float>`", "n:2 c:3", "1.00", "2", "0.50"])
        self.assertEqual([row[4] for row in rows[4:]], ["0.50", "0.50"])

    def test_products(self):
        rows = self.rows({"kernels.json": {"benchmarks": [
            moving("cuda_conv_data<tf32>/n:8/manual_time", 1, 1, flops=2.5e14, label="a | b"),
            moving("cuda_gemm_float/n:8/product:1/manual_time", 1, 1000, flops=1e12)]}})
        self.assertEqual(rows, [
            ["`conv_data<tf32>`", "n:8", "250.0", "1.00", "1", "-", "a / b"],
            ["`gemm_float`", "n:8 product:1", "1.0", "1000.00", "0", "-", ""]])

    def test_what_is_no_measurement(self):
        lines = self.run_on({"kernels.json": {"benchmarks": [
            {"name": "cuda_conv_data<float>/n:8", "run_type": "iteration", "error_occurred": True,
             "error_message": "no engine"},
            moving("cuda_norm<float>_mean", 1, 1, run_type="aggregate")]}})
        self.assertEqual(lines, ["cuda_conv_data<float>/n:8: not measured: no engine"])


class Profiles(Tables):
    def test_launches_of_one_name_are_one_row(self):
        rows = self.rows({"profile-a.csv": profile(
            launch(ours("Norm<float, 4>"), "1,000", "2,000"),
            launch(ours("Norm<float, 4>").replace("run_", "run_bounded_"), "2,000", "4,000"),
            launch(ours("Norm<basin::bfloat16, 8>"), "500", "0"),
            launch("void lib::kernel<float>(int, T1 *)", "2,500", "10000"),
            launch("s" * 80, "3,000", "n/a"), launch(DESCENT, "1,000", "1000"))})
        self.assertEqual(rows, [
            ["`Norm<float, 4>`", "2", "3.0", "30.0 %", "2"],
            ["`" + "s" * 59 + "…`", "1", "3.0", "30.0 %", "-"],
            ["`lib::kernel<float>`", "1", "2.5", "25.0 %", "4"],
            ["`map<float, MomentumDescent>`", "1", "1.0", "10.0 %", "1"],
            ["`Norm<bfloat16, 8>`", "1", "0.5", "5.0 %", "0"]])

    def names(self, *bodies):
        signatures = {"d": DESCENT, **{name: ours(f"{name.upper()}<float>") for name in "abc"}}
        lines = self.run_on({"profile-a.csv": profile(
            *(launch(signatures[name], "1000") for name in bodies))})
        return lines[0], "".join(line[3].lower() for line in lines if line.startswith("| `"))

    def test_a_step_ends_with_a_descent(self):
        self.assertEqual(self.names(*"abdcdab"), ("a: 2 launches, 2 us, one step", "cm"))
        self.assertEqual(self.names(*"abdc"), ("a: 3 launches, 3 us, one step", "abm"))
        self.assertEqual(self.names(*"ab"),
                         ("a: 2 launches, 2 us, no whole step: no descent", "ab"))

    def test_units(self):
        row = self.rows({"profile-a.csv": profile(launch(DESCENT, "2.5", "5"),
                                                  units=["", "", "us", "Mbyte"])})[0]
        self.assertEqual(row[2:], ["2.5", "100.0 %", "2000"])


class Malformed(Tables):
    def expect(self, name, contents, line):
        lines = self.run_on({name: contents}, code=1)
        self.assertEqual(len(lines), 1, lines)
        self.assertIn(f"{name}: {line}", lines[0])

    def test_a_line_says_what_was_found(self):
        self.expect("step-a.json", "", "found no JSON (")
        self.expect("step-a.json", "[1, 2]", "found no list 'results', expected the output of")
        self.expect("step-a.json", {"results": [3]}, "found no list 'results'")
        self.expect("step-a.json", {"results": [{"engine": "basin"}]},
                    "found a row that is not as expected (KeyError: 'median_ms')")
        self.expect("step-a.json", {"results": [step("basin", "sgd", "fast")]},
                    "found a row that is not as expected (ValueError")
        self.expect("kernels.json", {"benchmarks": {}}, "found no list 'benchmarks', expected")
        self.expect("kernels.json", {"benchmarks": [bench("a", 1, "fortnights")]},
                    "found a row that is not as expected (KeyError: 'f')")
        self.expect("profile-a.csv", "", "found no launches, expected columns 'Kernel Name'")
        self.expect("profile-a.csv", "==PROF==\n==ERROR== no access\n",
                    "found no launches (==ERROR== no access), expected")
        self.expect("profile-a.csv", profile(launch("a", "1"), head=["Name", "b", "c", "d"]),
                    "found no launches (")
        self.expect("profile-a.csv", profile(launch("a", "soon")),
                    "found a row that is not as expected (ValueError")
        self.expect("profile-a.csv", profile(launch("a", "1"), units=[""] * 4),
                    "found a row that is not as expected (IndexError")

    def test_the_other_files_have_their_tables(self):
        good = profile(launch(DESCENT, "1"))
        lines = self.run_on({"kernels.json": "{", "profile-a.csv": good}, code=1)
        self.assertEqual(lines[0], "a: 1 launches, 0 us, one step")
        self.assertIn("kernels.json: found no JSON", lines[-1])

    def test_nothing_to_show(self):
        self.assertEqual(self.run_on({"note.txt": ""}), [
            "No step-*.json, kernels.json or profile-*.csv: nothing was measured."])

    def test_usage(self):
        for arguments in ([], ["-h"], ["/no/such"], ["a", "b"]):
            err = io.StringIO()
            with mock.patch("sys.argv", ["gpu_tables.py", *arguments]), \
                    contextlib.redirect_stderr(err):
                self.assertEqual(gpu_tables.main(), 2)
            self.assertTrue(err.getvalue())


if __name__ == "__main__":
    unittest.main()
