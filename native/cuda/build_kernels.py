"""Compiles kernels.cu with NVRTC, which needs no GPU and no toolkit: a cubin for each architecture, and PTX for later ones.

Invariant: the file of images is complete or absent; its format is read by kernel_images.cc.

usage: build_kernels.py NVRTC_FOLDER SOURCE_FOLDER OUTPUT
"""

import ctypes
import pathlib
import struct
import sys

# One for each generation: a cubin runs on later devices of its generation too.
CUBINS = [75, 80, 90, 100, 120]
# What a driver compiles itself for architectures that did not exist yet.
PTX = 75

# NVRTC has no standard library; this is all that the shared headers take of it.
HEADERS = {
    "cstdint": """#pragma once
typedef signed char int8_t; typedef unsigned char uint8_t; typedef short int16_t; typedef unsigned short uint16_t;
typedef int int32_t; typedef unsigned int uint32_t; typedef long long int64_t; typedef unsigned long long uint64_t;
#define INFINITY __int_as_float(0x7f800000)
""",
    "array": """#pragma once
namespace std {
template <typename T, unsigned N> struct array {
  T values[N];
  const T& operator[](size_t i) const { return values[i]; }
};
}
""",
}


class Nvrtc:
    def __init__(self, folder: pathlib.Path):
        for name in sorted(folder.glob("libnvrtc-builtins.so.*")):
            ctypes.CDLL(str(name), mode=ctypes.RTLD_GLOBAL)
        (library,) = [name for name in folder.glob("libnvrtc.so.*") if "alt" not in name.name]
        self.nvrtc = ctypes.CDLL(str(library))

    def call(self, name: str, *arguments) -> None:
        result = getattr(self.nvrtc, name)(*arguments)
        if result != 0:
            raise RuntimeError(f"{name} failed with {result}")

    def read(self, program, what: str) -> bytes:
        size = ctypes.c_size_t()
        self.call(f"nvrtcGet{what}Size", program, ctypes.byref(size))
        buffer = ctypes.create_string_buffer(size.value)
        self.call(f"nvrtcGet{what}", program, buffer)
        return buffer.raw

    def compile(self, source: pathlib.Path, include: pathlib.Path, architecture: str) -> bytes:
        program = ctypes.c_void_p()
        texts = (ctypes.c_char_p * len(HEADERS))(*[text.encode() for text in HEADERS.values()])
        names = (ctypes.c_char_p * len(HEADERS))(*[name.encode() for name in HEADERS])
        self.call("nvrtcCreateProgram", ctypes.byref(program), source.read_bytes(), source.name.encode(),
                  len(HEADERS), texts, names)
        flags = [f"--gpu-architecture={architecture}", "--std=c++17", "--device-as-default-execution-space",
                 f"--include-path={include}"]
        encoded = (ctypes.c_char_p * len(flags))(*[flag.encode() for flag in flags])
        if self.nvrtc.nvrtcCompileProgram(program, len(flags), encoded) != 0:
            raise RuntimeError(self.read(program, "ProgramLog").decode(errors="replace"))
        image = self.read(program, "CUBIN" if architecture.startswith("sm_") else "PTX")
        self.nvrtc.nvrtcDestroyProgram(ctypes.byref(program))
        return image


def pack(images: list[tuple[int, bool, bytes]]) -> bytes:
    """A count, then (architecture, is PTX, offset, size) each, 32-bit; images start at multiples of 64 bytes."""
    place = -(-(4 + 16 * len(images)) // 64) * 64
    header, body = struct.pack("<I", len(images)), b""
    for architecture, ptx, image in images:
        header += struct.pack("<IIII", architecture, ptx, place + len(body), len(image))
        body += image + b"\0" * (-len(image) % 64)
    return header.ljust(place, b"\0") + body


def main() -> None:
    nvrtc, folder, output = Nvrtc(pathlib.Path(sys.argv[1])), pathlib.Path(sys.argv[2]), pathlib.Path(sys.argv[3])
    source = folder / "cuda" / "kernels.cu"
    images = [(number, False, nvrtc.compile(source, folder, f"sm_{number}")) for number in CUBINS]
    images.append((PTX, True, nvrtc.compile(source, folder, f"compute_{PTX}")))
    temporary = output.with_suffix(".new")
    temporary.write_bytes(pack(images))
    temporary.replace(output)


main()
