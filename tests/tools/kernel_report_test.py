"""Checks tools/kernel_report.py on made-up words of a compiler; needs no nvcc."""
import contextlib
import io
import json
import pathlib
import sys
import tempfile
import unittest
from unittest import mock

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "tools"))
import kernel_report  # noqa: E402

BIAS = "_ZN5basin4cuda8run_bodyINS_8BiasBodyIfEEJllNS_6AccessEPKfS6_PfEEEvDpT0_"
PTXAS = """\
ptxas info    : 272 bytes gmem, 16 bytes cmem[4]
ptxas info    : Compiling entry function '{name}' for 'sm_{arch}'
ptxas info    : Function properties for {name}
    {stack} bytes stack frame, {stores} bytes spill stores, {loads} bytes spill loads
ptxas info    : Used {registers} registers, used 1 barriers{rest}
ptxas info    : Compile time = 20.435 ms
ptxas info    : Function properties for __internal_trig_reduction_slowpathd
    0 bytes stack frame, 0 bytes spill stores, 0 bytes spill loads
"""
PTX = """\
// Cuda compilation tools, release 13.0, V13.0.88
.version 9.0
.target sm_%(arch)s
.func  (.param .b64 func_retval0) helper(
\t.param .b64 helper_param_0
)
;
.visible .entry %(name)s(
\t.param .u64 .ptr .align 1 %(name)s_param_0
)
%(bound)s{
\tld.param.u64 \t%%rd1, [%(name)s_param_0];
\tld.shared.f32 \t%%f9, [%%r1];
\tst.local.u32 \t[%%rd1], %%r1;
%(code)s
\tret;
}
.func  (.param .b64 func_retval0) helper(
\t.param .b64 helper_param_0
)
{
\tst.global.v4.u32 \t[%%rd1], {%%r1, %%r2, %%r3, %%r4};
}
"""
WIDE = """\
\tld.global.nc.L1::no_allocate.L2::128B.v4.f32 \t{%f1, %f2, %f3, %f4}, [%rd1];
\tld.global.v2.f64 \t{%fd1, %fd2}, [%rd1+16];
\tld.global.u8 \t%rs1, [%rd2];
\tld.volatile.global.v2.b32 \t{%r1, %r2}, [%rd2];
\tst.global.v4.b32 \t[%rd3], {%r1, %r2, %r3, %r4};
\tst.u16 \t[%rd3], %rs1;"""
NARROW = "\tld.global.f32 \t%f1, [%rd1];\n\tst.global.v2.f32 \t[%rd3], {%f1, %f2};"


def ptxas(name=BIAS, arch="90", stack=0, stores=0, loads=0, registers=32, rest=""):
    return PTXAS.format(**locals())


def ptx(name=BIAS, arch="90", bound="", code=WIDE):
    return PTX % locals()


def kernel(**changes):
    return {"source": "kernels/bias.cu", "kernel": "BiasBody<float>", "body": "BiasBody",
            "architecture": "90", "signature": "void run_body<BiasBody<float>, long>(long)",
            "stack": 0, "spill_stores": 0, "spill_loads": 0, "registers": 32, "shared": 0,
            "threads": 256, "occupancy": 1.0, "loads": {128: 2}, "stores": {128: 1}, **changes}


class Reading(unittest.TestCase):
    def test_ptxas(self):
        text = (ptxas(rest=", 40 bytes cumulative stack size, 512 bytes smem, 360 bytes cmem[0]",
                      stack=40) +
                ptxas(arch="100", registers=255, stores=8, loads=12, rest=", 400 bytes cmem[0]"))
        self.assertEqual(kernel_report.read_ptxas(text), {
            (BIAS, "90"): {"stack": 40, "spill_stores": 0, "spill_loads": 0, "registers": 32,
                           "shared": 512},
            (BIAS, "100"): {"stack": 0, "spill_stores": 8, "spill_loads": 12, "registers": 255,
                            "shared": 0}})

    def test_ptx(self):
        found = kernel_report.read_ptx(ptx())
        self.assertEqual(found, {(BIAS, "90"): {
            "threads": 256, "loads": {128: 2, 64: 1, 8: 1}, "stores": {128: 1, 16: 1}}})

    def test_launch_bounds(self):
        for bound in (".maxntid 64, 1, 1\n.minnctapersm 2\n", ".reqntid 64\n"):
            found = kernel_report.read_ptx(ptx(arch="90a", bound=bound))
            self.assertEqual(found[BIAS, "90a"]["threads"], 64)

    def test_occupancy(self):
        for arguments, expected in {
                ("90", 32, 0, 256): 1,  # all 64 warps
                ("90", 33, 0, 256): 48 / 64,  # 40 registers, as they come by 8: 51 warps, 6 blocks
                ("80", 56, 0, 256): 32 / 64,  # 36 warps, 4 blocks
                ("80", 64, 0, 1024): 32 / 64,
                ("80", 65, 0, 1024): 0,  # cannot be launched
                ("90", 16, 0, 32): 32 / 64,  # no more than 32 blocks
                ("80", 16, 48 * 1024, 256): 24 / 64,  # 49 KiB of 164
                ("90a", 16, 48 * 1024, 256): 32 / 64,  # of 228
                ("86", 32, 0, 256): 1}.items():
            self.assertEqual(kernel_report.occupancy(*arguments), expected, arguments)
        self.assertIsNone(kernel_report.occupancy("70", 32, 0, 256))

    def test_names(self):
        for signature, expected in {
                "void basin::cuda::run_body<basin::MapBody<float, basin::Accumulated<float, "
                "basin::Relu::Backward<float> > >, long>(long)":
                    ("map<float, Accumulated<Relu::Backward>>", "MapBody"),
                "void basin::cuda::run_body<basin::ReduceBlocks<basin::SquareTerm, double>, long, "
                "double const*>(long, double const*)":
                    ("ReduceBlocks<SquareTerm, double>", "ReduceBlocks"),
                "void basin::cuda::run_body<basin::(anonymous namespace)::Probe>()":
                    ("Probe", "Probe"),
                "void basin::cuda::run_bounded_body<basin::Norm<float, (basin::Write)1>, int>(int)":
                    ("Norm<float, (Write)1>", "Norm"),
                "scale(float*, int)": ("scale", "scale")}.items():
            self.assertEqual(kernel_report.short_name(signature), expected)

    def test_bodies(self):
        with tempfile.TemporaryDirectory() as folder:
            (pathlib.Path(folder) / "kernels").mkdir()
            (pathlib.Path(folder) / "kernels/a.cuh").write_text(
                "#pragma once\n\n// y = x.\n// Narrow accesses: rows are odd.\n"
                "template <class T,\n          class F>\nstruct Odd {\n  struct Shared {};\n};\n\n"
                "struct Tag {};\n// Wide.\nstruct Even {\n  load_pack(x);\n};\n")
            found = kernel_report.find_bodies(pathlib.Path(folder))
        self.assertEqual([(name, body["at"], body["narrow"]) for name, body in found.items()],
                         [("Odd", "kernels/a.cuh:7", True), ("Even", "kernels/a.cuh:13", False)])
        self.assertIn("load_pack", found["Even"]["text"])


class Checking(unittest.TestCase):
    def expect(self, finding, body=None, **changes):
        bodies = {"BiasBody": {"at": "kernels/bias.cuh:14", "text": "", "narrow": False,
                               **(body or {})}}
        found = kernel_report.check([kernel(**changes)], bodies)
        wanted = finding and [f"kernels/bias.cuh:14: BiasBody<float> (kernels/bias.cu, sm_90): "
                              f"{finding}"]
        self.assertEqual(found, wanted or [])

    def test_spills_and_stack(self):
        self.expect(None)
        self.expect("spills 8 bytes and loads 12 (32 registers, blocks of 256 threads)",
                    stack=8, spill_stores=8, spill_loads=12)
        self.expect("a stack frame of 64 bytes: is an array indexed at run time?", stack=64)
        self.expect("a stack frame of 64 bytes: is an array indexed at run time?", stack=64,
                    body={"narrow": True})

    def test_widths_of_an_element_kernel(self):
        narrow = "found 0 loads of 16 bytes (3x32), expected 1"
        self.expect(narrow, loads={32: 3})
        self.expect("found 0 stores of 16 bytes (1x64 1x8), expected 1", stores={64: 1, 8: 1})
        self.expect(None, loads={32: 3}, body={"narrow": True})
        self.expect(None, loads={}, stores={256: 1})
        self.expect(None, loads={32: 3}, shared=256)  # a reduction, unless it packs
        self.expect(narrow, loads={32: 3}, shared=256, body={"text": "load_pack(x)"})
        self.expect("found 0 stores of 16 bytes (none), expected 1", stores={}, shared=256,
                    body={"text": "store_pack(y)"})

    def test_each_array_is_wide(self):
        arrays = ("void run_body<MapBody<float, F>, long, Arrays<float const, 2>, "
                  "Arrays<float, 1> >(long, Arrays<float const, 2>, Arrays<float, 1>)")
        self.expect(None, signature=arrays)
        self.expect("found 1 loads of 16 bytes (1x128 4x32), expected 2", signature=arrays,
                    loads={128: 1, 32: 4})
        fill = arrays.replace("const, 2", "const, 0")
        self.expect(None, signature=fill, loads={64: 1}, body={"text": "load_pack store_pack"})

    def test_one_of_kernels_that_differ_in_a_number_is_wide(self):
        def rows(*kernels):
            return len(kernel_report.check([kernel(kernel=name, loads={width: 4})
                                            for name, width in kernels], {}))
        self.assertEqual(rows(("Rows<float, 1>", 32), ("Rows<float, 4>", 128)), 0)
        self.assertEqual(rows(("Rows<float, 1>", 32), ("Rows<double, 2>", 128)), 1)
        self.assertEqual(rows(("Rows<bfloat16, 1>", 16), ("Rows<bfloat16, 4>", 64)), 2)

    def test_architectures_are_joined(self):
        found = kernel_report.check([kernel(stack=8), kernel(stack=8, architecture="100")], {})
        self.assertEqual(found, ["kernels/bias.cu: BiasBody<float> (kernels/bias.cu, sm_90 sm_100):"
                                 " a stack frame of 8 bytes: is an array indexed at run time?"])


class Program(unittest.TestCase):
    """From a build folder to an exit code, with a compiler that prints what it is told to."""

    def run_on(self, words, ptx_text, *options):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        root = pathlib.Path(folder.name)
        (root / "words").write_text(words)
        (root / "ptx").write_text(ptx_text)
        (root / "nvcc").write_text(
            f'#!/bin/sh\nwhile [ "$1" != --keep-dir ]; do shift; done\n'
            f'cp {root}/ptx "$2/bias.ptx"; cat {root}/words >&2\n')
        (root / "nvcc").chmod(0o755)
        source = kernel_report.ROOT / "kernels/bias.cu"
        (root / "compile_commands.json").write_text(json.dumps([
            {"directory": str(root), "file": "a.cpp", "command": "g++ -c a.cpp -o a.o"},
            {"directory": str(root), "file": str(source),
             "command": f"cmake -E env A=b ccache {root}/nvcc -O3 -x cu -c {source} -o bias.o"}]))
        out, err = io.StringIO(), io.StringIO()
        with mock.patch("sys.argv", ["kernel_report.py", str(root), *options]), \
                contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            try:
                code = kernel_report.main()
            except SystemExit as stop:
                code = stop.code
        return code, out.getvalue(), err.getvalue()

    def test_table(self):
        code, out, err = self.run_on(ptxas(rest=", 128 bytes smem"), ptx())
        self.assertEqual((code, err), (0, ""))
        self.assertIn("| `BiasBody<float>` | 256 | 32 | 128 | 0 | 0+0 | 100% | 2x128 1x64 1x8 "
                      "| 1x128 1x16 |", out)
        self.assertIn("nvcc release 13.0, V13.0.88; sm_90; ", out)

    def test_check(self):
        code, out, err = self.run_on(ptxas(), ptx(), "--check")
        self.assertEqual((code, out, err), (0, "kernels: 1 (sm_90), findings: 0\n", ""))
        code, out, err = self.run_on(ptxas(stack=16), ptx(code=NARROW), "--check")
        self.assertEqual((code, out), (1, "kernels: 1 (sm_90), findings: 3\n"))
        self.assertRegex(err, r"^(kernels/bias.cuh:\d+: BiasBody<float> \(kernels/bias.cu, sm_90\):"
                              r" [^\n]+\n){3}$")

    def test_files(self):
        with tempfile.TemporaryDirectory() as folder:
            code, out, _ = self.run_on(ptxas(), ptx(), "--out", f"{folder}/new")
            self.assertEqual((code, out), (0, ""))
            written = json.loads((pathlib.Path(folder) / "new/kernels.json").read_text())
            self.assertIn("`BiasBody<float>`", (pathlib.Path(folder) / "new/kernels.md").read_text())
        self.assertEqual(written["architectures"], ["90"])
        self.assertEqual(written["kernels"][0]["stores"], {"128": 1, "16": 1})

    def test_what_cannot_be_read(self):
        code, _, err = self.run_on("", ptx())
        self.assertEqual(code, 2)
        self.assertRegex(err, r"^kernel_report: .*bias.cu: not both in the PTX and .*\n$")


if __name__ == "__main__":
    unittest.main()
