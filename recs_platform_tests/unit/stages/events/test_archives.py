import gzip
import zipfile

import pyarrow as pa
import pytest

from recs_platform.stages.events.archives import UnreadableFileError, unpack

CONTENT = b"user_id,item_id\n" + b"".join(b"%d,%d\n" % (i, i * i) for i in range(5000))


def packed(folder, suffix, content=CONTENT):
    path = folder / f"file.csv{suffix}"
    match suffix:
        case ".gz":
            path.write_bytes(gzip.compress(content, mtime=0))
        case ".zst":
            path.write_bytes(pa.compress(content, codec="zstd", asbytes=True))
        case _:
            with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
                archive.writestr("file.csv", content)
    return path


@pytest.mark.parametrize("suffix", [".gz", ".zst", ".zip"])
def test_a_whole_file_comes_out_as_it_went_in(tmp_path, suffix):
    assert unpack(packed(tmp_path, suffix), tmp_path / "plain").read_bytes() == CONTENT


@pytest.mark.parametrize("suffix", [".gz", ".zst", ".zip"])
@pytest.mark.parametrize("lost", [1, 30, 2000])
def test_a_cut_file_is_known_however_little_is_lost(tmp_path, suffix, lost):
    path = packed(tmp_path, suffix)
    path.write_bytes(path.read_bytes()[:-lost])
    with pytest.raises(UnreadableFileError, match="cut or damaged"):
        unpack(path, tmp_path / "plain")


def test_a_zip_of_two_files_is_refused_with_the_number(tmp_path):
    path = packed(tmp_path, ".zip")
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("other.csv", b"x")
    with pytest.raises(UnreadableFileError, match="2 files"):
        unpack(path, tmp_path / "plain")


def test_a_plain_file_is_neither_copied_nor_written_through(tmp_path):
    path = tmp_path / "file.csv"
    path.write_bytes(CONTENT)
    plain = tmp_path / "plain"
    assert unpack(path, plain).is_symlink()
    assert plain.read_bytes() == CONTENT
    unpack(packed(tmp_path, ".gz", b"other"), plain)
    assert (path.read_bytes(), plain.read_bytes()) == (CONTENT, b"other")
