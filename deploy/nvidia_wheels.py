"""Prints the nvidia wheels that a CUDA build of torch still needs, as pinned requirements.

    nvidia_wheels.py TARGET

TARGET is a folder that pip installed torch into (--target --no-deps). What our binaries link is asked
with readelf which libraries it NEEDs; those that lie neither in TARGET nor in the system are matched
with the versions that torch's own metadata pins. Nothing is printed when nothing is missing.
"""
import pathlib
import re
import subprocess
import sys

# Library name -> (wheel, extra of the meta package cuda-toolkit that pins it in newer releases).
WHEELS = {
    "libcublas": ("cublas", "cublas"),
    "libcublasLt": ("cublas", "cublas"),
    "libcudart": ("cuda-runtime", "cudart"),
    "libcudnn": ("cudnn", None),
    "libcufft": ("cufft", "cufft"),
    "libcufile": ("cufile", "cufile"),
    "libcupti": ("cuda-cupti", "cupti"),
    "libcurand": ("curand", "curand"),
    "libcusolver": ("cusolver", "cusolver"),
    "libcusparse": ("cusparse", "cusparse"),
    "libcusparseLt": ("cusparselt", None),
    "libnccl": ("nccl", None),
    "libnvJitLink": ("nvjitlink", "nvjitlink"),
    "libnvrtc": ("cuda-nvrtc", "nvrtc"),
    "libnvshmem_host": ("nvshmem", None),
    "libnvToolsExt": ("nvtx", "nvtx"),
}
LINKED = ["libtorch.so", "libtorch_cpu.so", "libtorch_cuda.so", "libc10.so", "libc10_cuda.so"]


def needed(library):
    out = subprocess.run(["readelf", "-d", str(library)], capture_output=True, text=True, check=True).stdout
    return set(re.findall(r"\(NEEDED\).*\[(.+?)\]", out))


def missing_libraries(target):
    """Names of nvidia libraries that torch, or a library of a wheel that it needs, cannot find."""
    present = {path.name: path for pattern in ("nvidia/**/lib/*.so*", "torch/lib/*.so*") for path in target.glob(pattern)}
    queue = [target / "torch/lib" / name for name in LINKED]
    seen, missing = set(), set()
    while queue:
        library = queue.pop()
        if library in seen or not library.exists():
            continue
        seen.add(library)
        for name in needed(library):
            if name in present:
                queue.append(present[name])
            elif name.split(".so")[0] in WHEELS:
                missing.add(name.split(".so")[0])
    return missing


def requirement(metadata, wheel, extra):
    """The pin for one wheel: from torch's metadata, or through cuda-toolkit's extra."""
    pin = re.search(rf"^Requires-Dist: (nvidia-{wheel}(?:-cu\d+)?==[\w.]+)", metadata, re.M)
    if pin:
        return pin.group(1)
    toolkit = re.search(r"^Requires-Dist: cuda-toolkit\[.*?\]==([\w.]+)", metadata, re.M)
    if toolkit and extra:
        return from_toolkit(toolkit.group(1), wheel, extra)
    sys.exit(f"nvidia_wheels: torch needs a library of nvidia-{wheel}, but its metadata pins no such wheel")


def from_toolkit(version, wheel, extra):
    """cuda-toolkit is a meta package of a few kilobytes; its metadata holds the pins."""
    import tempfile
    import zipfile

    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([sys.executable, "-m", "pip", "download", "-qq", "--no-deps", "--dest", folder,
                        f"cuda-toolkit=={version}"], check=True)
        archive = zipfile.ZipFile(next(pathlib.Path(folder).glob("*.whl")))
        name = next(entry for entry in archive.namelist() if entry.endswith("/METADATA"))
        metadata = archive.read(name).decode()
    pin = re.search(rf"^Requires-Dist: (nvidia-{wheel}(?:-cu\d+)?[<=>~][^;\s]+);.*extra == ['\"]{extra}['\"]",
                    metadata, re.M)
    if not pin:
        sys.exit(f"nvidia_wheels: cuda-toolkit {version} pins no nvidia-{wheel} for its extra '{extra}'")
    return pin.group(1)


def main():
    target = pathlib.Path(sys.argv[1])
    metadata = next(target.glob("torch-*.dist-info/METADATA")).read_text()
    pins = {requirement(metadata, *WHEELS[name]) for name in missing_libraries(target)}
    print("\n".join(sorted(pins)))


if __name__ == "__main__":
    main()
