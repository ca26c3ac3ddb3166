"""Faults of what is attacked: data sets, images, networks, checkpoints, files, downloads."""

# ruff: noqa: E501

FAULTS = [
    (
        "daa/targets/installed.py",
        "targets/test_installed.py",
        [
            # One package in the place of another; a name with dots and slashes.
            (
                'require(taken == package, _where(name, package), "a name of one package',
                'require(True, _where(name, package), "a name of one package',
            ),
            ("fits = name.isascii() and name.isidentifier()", "fits = True"),
            ("require(found.name == folder,", "require(True,"),
            (
                "        if folder in FOLDERS:\n            raise\n        raise InputError(",
                "        raise RuntimeError(",
            ),
        ],
    ),
    (
        "daa/targets/readers.py",
        "targets/test_readers.py",
        [
            # CIFAR10 divided by 256; rows and columns swapped.
            (
                "planes.transpose(0, 2, 3, 1).astype(np.float32) / np.float32(255)",
                "planes.transpose(0, 2, 3, 1).astype(np.float32) / np.float32(256)",
            ),
            ("planes.transpose(0, 2, 3, 1)", "planes.transpose(0, 3, 2, 1)"),
            (
                "records[:, 1:].reshape(-1, 3, 32, 32)",
                "records[:, 1:].reshape(-1, 32, 32, 3).transpose(0, 3, 1, 2)",
            ),
            (
                "images[..., None].astype(np.float32) / np.float32(255)",
                "images[..., None].astype(np.float32) / np.float32(256)",
            ),
            (
                "images[..., None].astype(np.float32)",
                "images.transpose(0, 2, 1)[..., None].astype(np.float32)",
            ),
            ('_CIFAR_IMAGES = {"train": 50_000', '_CIFAR_IMAGES = {"train": 60_000'),
            ("for k in range(1, 6)]", "for k in range(1, 5)]"),
            ("highest <= 9", "highest <= 99"),
            (
                "labels = records[:, 0].astype(np.int64)",
                "labels = records[::-1, 0].astype(np.int64)",
            ),
            ("        digest.update(content)\n        if len(content)", "        if len(content)"),
            ("!= hashes[file]:", "== hashes[file]:"),
            ("if len(records) != _CIFAR_IMAGES[split]:", "if False:"),
        ],
    ),
    (
        "daa/targets/datasets.py",
        "targets/test_readers.py",
        [
            (".first(images)", ""),
            (
                'readers.idx_images(folder, split, "fashion_mnist", _FASHION)',
                'readers.idx_images(folder, split, "fashion_mnist", _MNIST)',
            ),
        ],
    ),
    (
        "imagenet_ens/images.py",
        "targets/test_imagenet.py -k 'cropped or labels or jpeg or resized'",
        [
            # A half-pixel resize; corners aligned.
            (
                "tf.compat.v1.image.resize_bilinear(image[None], [SIZE, SIZE], align_corners=False)",
                "tf.image.resize(image[None], [SIZE, SIZE])",
            ),
            ("align_corners=False", "align_corners=True"),
            ("[label + 1 for", "[label for"),
            (
                "    image = tf.image.convert_image_dtype(image, tf.float32)\n",
                "    image = tf.cast(image, tf.float32) / 256\n",
            ),
            ("digest.update(content + str(label).encode())", "digest.update(content)"),
        ],
    ),
    (
        "madry_cifar10/model.py",
        "targets/test_family.py targets/test_networks.py -k 'cifar10 or training_mode or ranges or loaded'",
        [
            # The pixels of CIFAR10 taken for [0, 1].
            ("        bounds=Bounds(0.0, 255.0),\n", ""),
            ("        training_network=training_network,\n", ""),
            ("features=y, alpha=_LEAK", "features=y, alpha=0.2"),
            ('tf.nn.avg_pool2d(skip, stride, stride, "VALID")', "skip[:, ::stride, ::stride]"),
            (
                "side = (outputs - inputs) // 2\n            skip = tf.pad(skip, [[0, 0], [0, 0], [0, 0], [side, side]])",
                "skip = tf.pad(skip, [[0, 0], [0, 0], [0, 0], [0, outputs - inputs]])",
            ),
            ('skip = activated if scope == "unit_1_0" else h', "skip = h"),
            ("tf.image.per_image_standardization(x)", "x / 255"),
            ("beta - mean * scale", "beta + mean * scale"),
            (
                "mean, variance = tf.nn.moments(h, [0, 1, 2])",
                'mean, variance = variables[f"{scope}/moving_mean"], variables[f"{scope}/moving_variance"]',
            ),
        ],
    ),
    (
        "madry_mnist/model.py",
        "targets/test_networks.py -k mnist",
        [
            ('v[0], 1, "SAME") + v[1]', 'v[0], 1, "SAME") - v[1]'),
        ],
    ),
    (
        "fmnist/model.py",
        "targets/test_networks.py -k mnist",
        [
            ("_EPSILON = 0.001", "_EPSILON = 0.1"),
            (
                '            v["batch_normalization/beta"],\n            v["batch_normalization/gamma"],',
                '            v["batch_normalization/gamma"],\n            v["batch_normalization/beta"],',
            ),
        ],
    ),
    (
        "locuslab/model.py",
        "targets/test_locuslab.py",
        [
            # The first layer in bfloat16.
            ('if not name.startswith("0.")}', "}"),
            ('return {**variables, **checkpoints.cast(rest, "bfloat16")}', "return variables"),
            (
                'arrays["5.weight"].reshape(100, 32, 7, 7).transpose(2, 3, 1, 0)',
                'arrays["5.weight"].reshape(100, 7, 7, 32).transpose(1, 2, 3, 0)',
            ),
            ("arrays[name].transpose(2, 3, 1, 0)", "arrays[name].transpose(3, 2, 1, 0)"),
        ],
    ),
    (
        "daa/targets/checkpoints.py",
        "targets/test_checkpoints.py",
        [
            ("if not is_slot(name))", ")"),
            ("if named in found:", "if False:"),
            ("require(found == list(shape),", "require(True,"),
            ("if not np.isfinite(single).all():", "if not np.isfinite(array).all():"),
            ("if zipfile.is_zipfile(path):", "if False:"),
            ("require(size <= most,", "require(True,"),
            ('state = state["state_dict"]', "pass"),
            ("weights_only=True", "weights_only=False"),
        ],
    ),
    (
        "daa/targets/family.py",
        "targets/test_family.py targets/test_networks.py -k 'not logits_and'",
        [
            (
                "checkpoints.select(checkpoints.read(path), self.row(name).model.variables, path)",
                "checkpoints.read(path)",
            ),
            ("bounds=model.bounds,", ""),
            # The folder of a failed download.
            ("if checkpoints.exists(path):", "if path.exists():"),
            ("weights_sha256=checkpoints.sha256(path),", ""),
            ("model.network(model.half(variables))", "model.network(variables)"),
            (
                "if self.row(name).weights and checkpoints.exists(self.own_weights(name)):",
                "if self.row(name).weights:",
            ),
            (
                "return self.dataset.load(split, data_dir, images)",
                "return self.dataset.load(split, data_dir)",
            ),
        ],
    ),
    (
        "daa/targets/files.py",
        "targets/test_download.py targets/test_files.py experiments/test_state.py",
        [
            ("            Path(temporary).unlink(missing_ok=True)\n", "            pass\n"),
            (
                '            with os.fdopen(handle, "wb") as file:\n                yield file\n            Path(temporary).chmod(0o644)\n            Path(temporary).replace(path)',
                '            os.close(handle)\n            with path.open("wb") as file:\n                yield file\n            Path(temporary).unlink()',
            ),
            ("sum(info.file_size for info in archive.infolist())", "0"),
            ("while chunk := file.read(CHUNK):", "if chunk := file.read(CHUNK):"),
        ],
    ),
    (
        "daa/targets/npy.py",
        "targets/test_npy.py",
        [
            ("if said != there or", "if"),
            ("if sum(info.file_size for info in members) > most:", "if False:"),
            (
                "if info.flag_bits & ENCRYPTED or",
                "if",
                "zipfile refuses an encrypted member, too, in other words",
            ),
        ],
    ),
    (
        "daa/targets/download.py",
        "targets/test_download.py",
        [
            ("if pins.get(file, digest) != digest:", "if False:"),
            (
                "        if not verified(source, file, path):\n            raise",
                "        if False:\n            raise",
            ),
            ("        return files.sha256(path) == expected\n", "        return True\n"),
            ('"there" if len(present) == len(listed) else "incomplete"', '"there"'),
        ],
    ),
    (
        "daa/targets/transfer.py",
        "targets/test_download.py",
        [
            (
                "if answer.status != 206:\n                begin = 0",
                "if False:\n                begin = 0",
            ),
            ("if whole is not None and size != whole:", "if False:"),
            (' and ".." not in path.parts', ""),
            ("            if path.name in chosen:", "            if False:"),
        ],
    ),
    (
        "daa/targets/logits.py",
        "targets/test_logits.py",
        [
            ("if not ((values >= 0) & (values <= 1)).all():", "if True:"),
            ("_log(s, 1e-30) - _log(1 - s, 2.0**-24)", "_log(s, 1e-30)"),
            ("chain(cut(call), guesses)", "guesses"),
        ],
    ),
]
