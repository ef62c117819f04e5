/* options.h - THE table of options. Each row becomes a struct member, its default, a command-line flag,
 * a line of --help and a JSON key; nothing is written down twice.
 *
 *   X(kind, name, flag, default, lowest, highest, value word, help)
 *
 * kind: TEXT (const char *, NULL = not given), INT (int), REAL (double), FLAG (int 0/1). A flag of
 * "" is a positional argument. If the value word ends in "..." it may be repeated on the command line,
 * and the values are joined by newlines (one such row a command). TEXT rows ignore lowest and highest.
 */
#ifndef SYNCTALK_OPTIONS_H
#define SYNCTALK_OPTIONS_H

/* clang-format off */
#define STK_PREPARE_OPTIONS(X) \
    X(TEXT, clip,    "",          NULL, 0, 0,     "CLIP",   "video of one person: anything FFmpeg reads") \
    X(TEXT, output,  "-o",        NULL, 0, 0,     "FOLDER", "subject folder to make (or to go on with)") \
    X(TEXT, models,  "--models",  NULL, 0, 0,     "FOLDER", "where the pretrained weights lie") \
    X(TEXT, head_model, "--head-model", NULL, 0, 0, "FILE", "morphable head for pose and focal length: an eos shape model (.bin) or 3DMM_info.npy; default: built in") \
    X(INT,  size,    "--size",    512, 64, 1024,  "PIXELS", "side of the square picture") \
    X(INT,  threads, "--threads", 0, 0, 256,      "N",      "threads, 0 = all") \
    X(TEXT, points,  "--points",  NULL, 0, 0,     "lk|raft", "how points of the head are followed: by patches alone (default), or led by dense flow (raft-small.pth; slow)") \
    X(TEXT, parsing, "--parsing", NULL, 0, 0,     "FILE|builtin", "which pixel is head, neck, torso: by the BiSeNet of face-parsing.PyTorch (79999_iter.pth, yours; slow); default: by it where it lies with the weights, else built in") \
    X(TEXT, sync,    "--sync",    NULL, 0, 0,     "auto|off|MS", "sound that is early or late is moved to fit the lips (default); is left; or is so many ms late, and moved") \
    X(FLAG, published, "--published", 0, 0, 1,    "",       "stabilise the head by the published recipe, for comparisons (raft-small.pth; very slow)") \
    X(FLAG, full,    "--full",    0, 0, 1,        "",       "keep the clip's full frames in the folder, for `render --frame full` without the clip") \
    X(FLAG, restart, "--restart", 0, 0, 1,        "",       "redo every step") \
    X(FLAG, json,    "--json",    0, 0, 1,        "",       "print the report as one JSON object")

#define STK_TRAIN_OPTIONS(X) \
    X(TEXT, subject,  "",           NULL, 0, 0,         "FOLDER", "subject made by `synctalk prepare`") \
    X(TEXT, output,   "-o",         NULL, 0, 0,         "MODEL",  "model file to write (.stk)") \
    X(REAL, minutes,  "--minutes",  0, 0, 100000,       "M",      "how long to train in all, resumed runs included; 0 = 30, or what fits --budget; --steps wins") \
    X(INT,  steps,    "--steps",    0, 0, 100000000,    "N",      "how many steps in all, 0 = by --minutes") \
    X(TEXT, budget,   "--budget",   NULL, 0, 0,         "TIME",   "the command ends, with everything saved, within this time: 45s, 10m, 1h30m; training is fitted into it, or with --minutes or --steps goes on with --resume") \
    X(INT,  threads,  "--threads",  0, 0, 256,          "N",      "threads, 0 = all; the result does not depend on it") \
    X(INT,  seed,     "--seed",     1, 0, 2147483647,   "N",      "seed of every random draw") \
    X(FLAG, resume,   "--resume",   0, 0, 1,            "",       "go on from the checkpoint beside the model") \
    X(INT,  rays,     "--rays",     2048, 256, 65536,   "N",      "rays per step, a multiple of --frames") \
    X(INT,  frames,   "--frames",   16, 1, 64,          "N",      "video frames mixed in one step") \
    X(TEXT, encoder,  "--encoder",  NULL, 0, 0,         "builtin|mel|mel-normalised|FILE", "what hears the sound: the encoder in the program (default where it has one), a net learned with the rest (mel; -normalised: in each speaker's own measure), or an audio-visual encoder's file") \
    X(TEXT, attention, "--attention", NULL, 0, 0,       "masks|penalties|free", "what keeps sound to the lips and expression to the eyes and brows: explicit masks (default), the released code's loss terms alone, or nothing") \
    X(TEXT, expression, "--expression", NULL, 0, 0,     "all|blink", "what the eyes' and brows' input hears: seven blendshapes (default), or the two eyelids alone, for comparisons") \
    X(TEXT, poses,    "--poses",    NULL, 0, 0,         "stabilised|coarse", "poses by the stabilizer (default), or as the head motion tracker left them, for comparisons") \
    X(TEXT, schedule, "--schedule", NULL, 0, 0,         "fast|fine|paper|released", "coarse to fine: our own way, coarse alone (default) or with patches in the last quarter, or a published one, its counts of steps as shares of this run; paper is itself at --steps 125000, released at --steps 100000, both with --frames 1 --rays 65536 (about a day)") \
    X(TEXT, perceptual, "--perceptual", NULL, 0, 0,     "auto|lpips|structure|none", "what compares patches and lips in the fine part: LPIPS where its weights are found, else structure (default); or the one named") \
    X(TEXT, models,   "--models",   NULL, 0, 0,         "FOLDER", "where the pretrained weights lie, for LPIPS") \
    X(INT,  torso,    "--torso",    0, 0, 1000000,      "STEPS",  "a torso branch, too, trained before the head by so many steps (4000): the model then paints its torso, as published with --torso, instead of playing the subject's torso film; 0 = none; --resume keeps it") \
    X(TEXT, vary,     "--vary",     NULL, 0, 0,         "NAME,...", "for comparisons, left out of our own way: regions (rays where the error is), rates (that fall to 3 %), average (of the weights), probe (of the lips), blinks, noise (in the sound), backdrop (random, behind the face), hull; or put in: levels (coarse to fine)") \
    X(REAL, lr_grid,  "--lr",       0.01, 0, 1,         "RATE",   "learning rate of the hash planes") \
    X(REAL, lr_net,   "--lr-net",   0.001, 0, 1,        "RATE",   "learning rate of the nets") \
    X(TEXT, run,      "--run",      NULL, 0, 0,         "FOLDER|none", "figures, previews and report.html of this run; default: MODEL without its ending + .run") \
    X(REAL, preview_s, "--preview-every", 60, 1, 86400, "S",      "seconds between previews") \
    X(REAL, save_s,   "--save-every", 110, 0, 86400,    "S",      "seconds between savings of the state that --resume needs")

#define STK_RENDER_OPTIONS(X) \
    X(TEXT, model,   "-m",        NULL, 0, 0,       "MODEL",  "model file made by `synctalk train`") \
    X(TEXT, audio,   "-a",        NULL, 0, 0,       "SOUND",  "any sound file (or a video's sound)") \
    X(TEXT, features, "--features", NULL, 0, 0,     "NPY",    "features of the sound, for models that hear through another program's (hubert, deepspeech ...)") \
    X(TEXT, encoder, "--encoder", NULL, 0, 0,       "FILE",   "audio_visual_encoder.pth or .safetensors, for \"ave\" models; else looked for") \
    X(TEXT, output,  "-o",        NULL, 0, 0,       "FILE",   "mp4 to write, or - for raw y4m on stdout") \
    X(TEXT, frames,  "--frames",  NULL, 0, 0,       "FOLDER", "write PNG frames here instead of a video") \
    X(TEXT, portrait, "--portrait", NULL, 0, 0,     "FOLDER", "paste the face into the frames of this, the model's own subject: hair, ears and background stay") \
    X(TEXT, frame,   "--frame",   NULL, 0, 0,       "square|full", "full: with --portrait, the whole picture of the clip that the subject was cut from, at the clip's own rate (30, 29.97, 24, 50 ... a second)") \
    X(TEXT, silence, "--silence", NULL, 0, 0,     "gate|off", "where nobody speaks the lips rest, closed (gate, by voice activity; default; not with --features for converted models), or do as the sound has them") \
    X(TEXT, smooth_lips, "--smooth-lips", NULL, 0, 0, "symmetric|published|off", "steadier lips: without lag (default), by the published recursion, which is late, or as they are") \
    X(TEXT, background, "--background", NULL, 0, 0, "IMAGE|COLOUR|transparent", "with --portrait: the person before a picture, a colour (#rrggbb, green ...), or nothing (-o .mov, .webm or --frames)") \
    X(FLAG, published, "--published", 0, 0, 1,      "",       "portraits by the published mask alone, for comparisons") \
    X(TEXT, expression, "--expression", NULL, 0, 0, "FILE|clip|still|auto", "brows and blinks: the source clip's own (default), none, made up, of a track (.csv, .json) or of anyone's video") \
    X(TEXT, expression_gain, "--expression-gain", NULL, 0, 0, "NAME=VALUE...", "scale a coefficient round its neutral, e.g. browInnerUp=1.5; may be repeated") \
    X(INT,  seed,    "--seed",    1, 0, 2147483647, "N",      "seed of the blinks of --expression auto") \
    X(TEXT, models,  "--models",  NULL, 0, 0,       "FOLDER", "where the pretrained weights lie, for --expression VIDEO") \
    X(INT,  size,    "--size",    0, 0, 2048,       "PIXELS", "side of the picture, 0 = as trained; even") \
    X(INT,  crf,     "--crf",     18, 0, 51,        "Q",      "H.264 quality, smaller is better") \
    X(INT,  threads, "--threads", 0, 0, 256,        "N",      "threads, 0 = all") \
    X(FLAG, reference_march, "--reference-march", 0, 0, 1, "", "march rays by the published rule (float32, slower), for comparisons") \
    X(FLAG, every_pixel, "--every-pixel", 0, 0, 1, "", "a ray through every pixel, none interpolated (slower), for comparisons")

#define STK_EVAL_OPTIONS(X) \
    X(TEXT, model,   "-m",        NULL, 0, 0,     "MODEL",  "model file") \
    X(TEXT, subject, "",          NULL, 0, 0,     "FOLDER", "the subject it was trained on") \
    X(TEXT, frames,  "--frames",  NULL, 0, 0,     "FOLDER", "write real, rendered and portrait frames side by side") \
    X(TEXT, report,  "--report",  NULL, 0, 0,     "FOLDER", "write figures.json, figures.csv (a row a frame), figures.md and report.html: plots, the worst frames, mouths over the sound") \
    X(TEXT, models,  "--models",  NULL, 0, 0,     "FOLDER", "where the pretrained weights lie") \
    X(TEXT, encoder, "--encoder", NULL, 0, 0,     "FILE",   "audio_visual_encoder.pth or .safetensors, for \"ave\" models; else looked for") \
    X(TEXT, perceptual, "--perceptual", NULL, 0, 0, "alex|vgg|squeeze", "network of LPIPS (default alex); scripts/get-models.sh -p fetches them") \
    X(INT,  every,   "--every",   1, 1, 1000,     "N",      "use every N-th held-out frame") \
    X(INT,  threads, "--threads", 0, 0, 256,      "N",      "threads, 0 = all") \
    X(FLAG, trained, "--trained", 0, 0, 1,        "",       "measure frames trained on instead, as many as are held out, spread over the clip: what is remembered, to compare") \
    X(FLAG, reference_march, "--reference-march", 0, 0, 1, "", "march rays by the published rule (float32, slower), for comparisons") \
    X(FLAG, every_pixel, "--every-pixel", 0, 0, 1, "", "a ray through every pixel, none interpolated (slower), for comparisons") \
    X(FLAG, portrait, "--portrait", 0, 0, 1,      "",       "all figures of the portrait: the face pasted into the frame, as `render --portrait` makes it") \
    X(FLAG, published, "--published", 0, 0, 1,    "",       "portraits by the published mask alone, for comparisons") \
    X(FLAG, json,    "--json",    0, 0, 1,        "",       "print one JSON object")

#define STK_INFO_OPTIONS(X) \
    X(TEXT, path,    "",          NULL, 0, 0,     "FILE",   "subject or dataset folder, model, clip or weight file") \
    X(FLAG, json,    "--json",    0, 0, 1,        "",       "print one JSON object")

#define STK_SYNC_OPTIONS(X) \
    X(TEXT, clip,    "",          NULL, 0, 0,     "CLIP",   "video of one person who is heard talking: anything FFmpeg reads") \
    X(TEXT, models,  "--models",  NULL, 0, 0,     "FOLDER", "where the pretrained weights lie") \
    X(TEXT, encoder, "--encoder", NULL, 0, 0,     "FILE|builtin", "the encoder whose picture side (in it, or FILE less its ending + .picture.safetensors) measures, too; default: one among the weights, or that in the program") \
    X(INT,  threads, "--threads", 0, 0, 256,      "N",      "threads, 0 = all") \
    X(FLAG, json,    "--json",    0, 0, 1,        "",       "print one JSON object")

#define STK_COMPARE_OPTIONS(X) \
    X(TEXT, videos,  "",          NULL, 0, 0,     "VIDEO...", "videos of any system, one or more; the first frame of each belongs to the real one's first") \
    X(TEXT, real,    "--real",    NULL, 0, 0,     "VIDEO",  "the real video, of the same size") \
    X(TEXT, report,  "--report",  NULL, 0, 0,     "FOLDER", "write figures.json, figures.csv, figures.md and report.html, as `synctalk eval` does") \
    X(TEXT, models,  "--models",  NULL, 0, 0,     "FOLDER", "where the pretrained weights lie") \
    X(TEXT, encoder, "--encoder", NULL, 0, 0,     "FILE|builtin", "as that of `synctalk sync`") \
    X(TEXT, perceptual, "--perceptual", NULL, 0, 0, "alex|vgg|squeeze", "network of LPIPS (default alex); scripts/get-models.sh -p fetches them") \
    X(INT,  threads, "--threads", 0, 0, 256,      "N",      "threads, 0 = all") \
    X(FLAG, json,    "--json",    0, 0, 1,        "",       "print one JSON object")

#define STK_ABLATE_OPTIONS(X) \
    X(TEXT, subject, "",          NULL, 0, 0,     "FOLDER", "subject made by `synctalk prepare`") \
    X(TEXT, output,  "-o",        NULL, 0, 0,     "FOLDER", "for models, ablation.json, .csv, .md and report.html; run again, it goes on there; default FOLDER-ablation") \
    X(REAL, minutes, "--minutes", 120, 0.1, 100000, "M",    "about how long for all of it: five models, seven evaluations; --steps wins") \
    X(INT,  steps,   "--steps",   0, 0, 100000000, "N",     "steps of each model, 0 = by --minutes") \
    X(TEXT, encoder, "--encoder", NULL, 0, 0,     "builtin|FILE", "what the full system hears through; default: the encoder in the program") \
    X(TEXT, models,  "--models",  NULL, 0, 0,     "FOLDER", "where the pretrained weights lie") \
    X(TEXT, perceptual, "--perceptual", NULL, 0, 0, "alex|vgg|squeeze", "network of LPIPS (default alex)") \
    X(INT,  every,   "--every",   1, 1, 1000,     "N",      "evaluate every N-th held-out frame") \
    X(INT,  threads, "--threads", 0, 0, 256,      "N",      "threads, 0 = all") \
    X(INT,  seed,    "--seed",    1, 0, 2147483647, "N",    "seed of every random draw, the same for all models") \
    X(INT,  rays,    "--rays",    2048, 256, 65536, "N",    "rays per step, as in `synctalk train`") \
    X(INT,  frames,  "--frames",  16, 1, 64,      "N",      "video frames mixed in one step") \
    X(FLAG, json,    "--json",    0, 0, 1,        "",       "print one JSON object")

#define STK_SHEET_OPTIONS(X) \
    X(TEXT, pictures, "",          NULL, 0, 0,     "PICTURE...", "PNG, JPEG, or video@seconds; one or more") \
    X(TEXT, output,   "-o",        NULL, 0, 0,     "PNG",    "picture to write") \
    X(INT,  columns,  "--columns", 0, 0, 256,      "N",      "pictures in a row, 0 = all in one") \
    X(INT,  height,   "--height",  0, 0, 4096,     "PIXELS", "height of each, 0 = that of the first")

#define STK_CONVERT_OPTIONS(X) \
    X(TEXT, input,   "",          NULL, 0, 0,     "FILE",   "checkpoint of the published system (.pth, .safetensors), or a model (.stk)") \
    X(TEXT, output,  "-o",        NULL, 0, 0,     "FILE",   "file to write: .stk, .pth or .safetensors") \
    X(TEXT, weights, "--weights", NULL, 0, 0,     "raw|ema", "weights as trained, as the published test uses them (default), or their averages") \
    X(TEXT, subject, "--subject", NULL, 0, 0,     "FOLDER", "give the .stk this subject's poses, expressions and torso film")

#define STK_PRESENTER_OPTIONS(X) \
    X(TEXT, output,  "-o",        NULL, 0, 0,     "FILE",   "mp4 to make; or wav: only what is said") \
    X(REAL, seconds, "--seconds", 0, 0, 7200,     "S",      "length of the clip, 0 = as long as --text or --audio, 20 without") \
    X(TEXT, size,    "--size",    NULL, 0, 0,     "WxH",    "of the picture, or one number for a square; even, 64 to 2048; default 512") \
    X(INT,  seed,    "--seed",    1, 0, 1000000000, "N",    "which person, voice, room and performance") \
    X(TEXT, text,    "--text",    NULL, 0, 0,     "TEXT",   "what to say; default: a script with every English sound") \
    X(TEXT, audio,   "--audio",   NULL, 0, 0,     "SOUND",  "speak along with this sound file instead") \
    X(TEXT, voice,   "--voice",   NULL, 0, 0,     "NAME",   "slt, rms, awb, kal; espeak:de ... where libespeak-ng is; default: by the person") \
    X(TEXT, truth,   "--truth",   NULL, 0, 0,     "FOLDER", "write what is known exactly: pose, landmarks, labels ... (doc/FORMATS.md)") \
    X(REAL, fps,     "--fps",     25, 1, 120,     "RATE",   "frames a second, e.g. 30 or 29.97") \
    X(INT,  offset,  "--offset",  0, -250, 250,   "FRAMES", "the sound comes so much too late (too early when negative)") \
    X(TEXT, variant, "--variant", NULL, 0, 0,     "NAMES",  "what is wrong with the clip, comma-separated: cut, second_face, hand, profile, silence, no_sound, no_face, shake, brightness, variable_rate") \
    X(INT,  crf,     "--crf",     16, 0, 51,      "Q",      "H.264 quality, smaller is better") \
    X(INT,  threads, "--threads", 0, 0, 256,      "N",      "threads, 0 = all; the picture does not depend on it")

#define STK_BENCH_OPTIONS(X) \
    X(TEXT, model,   "-m",        NULL, 0, 0,     "MODEL",  "model file to measure with") \
    X(TEXT, subject, "--subject", NULL, 0, 0,     "FOLDER", "the model's subject folder: adds portraits and training steps") \
    X(TEXT, audio,   "--audio",   NULL, 0, 0,     "SOUND",  "sound for the wav-to-mp4 rows; default: some made speech") \
    X(TEXT, features, "--features", NULL, 0, 0,   "NPY",    "features of --audio, for models that hear through another program's") \
    X(TEXT, encoder, "--encoder", NULL, 0, 0,     "FILE",   "audio_visual_encoder.pth or .safetensors, for \"ave\" models; else looked for") \
    X(REAL, seconds, "--seconds", 60, 1, 86400,   "S",      "how long to measure in all") \
    X(INT,  threads, "--threads", 0, 0, 256,      "N",      "most threads to measure with, 0 = all") \
    X(TEXT, torch,   "--torch",   NULL, 0, 0,     "SCRIPT", "time scripts/torch_reference.py as well (needs python3-torch)") \
    X(TEXT, label,   "--label",   NULL, 0, 0,     "TEXT",   "what is measured, e.g. a commit; goes into the header and the CSV") \
    X(TEXT, csv,     "--csv",     NULL, 0, 0,     "CSV",    "append one line with the chief figures to this file") \
    X(FLAG, json,    "--json",    0, 0, 1,        "",       "print one JSON object")

#define STK_SUBJECT_IMPORT_OPTIONS(X) \
    X(TEXT, source,  "",          NULL, 0, 0,     "DIR",    "dataset folder of the published system (transforms_train.json ...)") \
    X(TEXT, output,  "-o",        NULL, 0, 0,     "FOLDER", "subject folder to make; new or empty") \
    X(INT,  threads, "--threads", 0, 0, 256,      "N",      "threads, 0 = all")

#define STK_SUBJECT_EXPORT_OPTIONS(X) \
    X(TEXT, subject, "",          NULL, 0, 0,     "FOLDER", "subject made by `synctalk prepare` or imported") \
    X(TEXT, output,  "-o",        NULL, 0, 0,     "DIR",    "dataset folder to make; new or empty") \
    X(INT,  threads, "--threads", 0, 0, 256,      "N",      "threads, 0 = all")

#define STK_ENCODER_PACK_OPTIONS(X) \
    X(TEXT, encoder, "",          NULL, 0, 0,     "FILE",   "encoder of `synctalk encoder train`, its picture side beside it; or builtin") \
    X(TEXT, output,  "-o",        NULL, 0, 0,     "FILE",   "both in one small file to write (.safetensors)")

#define STK_ENCODER_TRAIN_OPTIONS(X) \
    X(TEXT, clips,   "",             NULL, 0, 0,       "CLIP...", "videos of people who speak (or .speech files cut before); one or more") \
    X(TEXT, output,  "-o",           NULL, 0, 0,       "FILE",   "encoder to write (.safetensors)") \
    X(TEXT, hold_out, "--hold-out",  NULL, 0, 0,       "CLIP,CLIP", "other clips, of other people: how well strangers are understood is measured on them") \
    X(REAL, minutes, "--minutes",    60, 0, 100000,    "M",      "how long to train in all, resumed runs included; --steps wins") \
    X(INT,  steps,   "--steps",      0, 0, 100000000,  "N",      "how many steps in all, 0 = by --minutes") \
    X(INT,  threads, "--threads",    0, 0, 256,        "N",      "threads, 0 = all; the result does not depend on it") \
    X(INT,  seed,    "--seed",       1, 0, 2147483647, "N",      "seed of every random draw") \
    X(FLAG, resume,  "--resume",     0, 0, 1,          "",       "go on from FILE.train") \
    X(REAL, rate,    "--lr",         0.002, 0, 1,      "RATE",   "learning rate at its highest") \
    X(REAL, bce,     "--bce",        0.5, 0, 100,      "W",      "weight of the published loss: cross-entropy of each pair's similarity") \
    X(REAL, nce,     "--nce",        1, 0, 100,        "W",      "weight of the contrast: which sound of the batch is it?") \
    X(REAL, reconstruction, "--reconstruction", 1, 0, 100, "W",  "weight of the rebuilt mouth's error, 0 = without") \
    X(REAL, evaluate_s, "--evaluate-every", 240, 1, 86400, "S",  "seconds between measurements on the held-out clips") \
    X(INT,  evaluate_steps, "--evaluate-steps", 0, 0, 100000000, "N", "the same in steps, for runs by --steps; 0 = only at the end") \
    X(FLAG, float32, "--float32",    0, 0, 1,          "",       "no bfloat16 where the processor has it, for comparisons") \
    X(TEXT, cut,     "--cut",        NULL, 0, 0,       "FOLDER", "where cut clips are kept; default FILE.cut") \
    X(TEXT, models,  "--models",     NULL, 0, 0,       "FOLDER", "where the pretrained weights lie, for cutting") \
    X(TEXT, curve,   "--curve",      NULL, 0, 0,       "CSV",    "append the learning curve to this file")
/* clang-format on */

#define STK_OPTION_TYPE_TEXT const char *
#define STK_OPTION_TYPE_INT int
#define STK_OPTION_TYPE_REAL double
#define STK_OPTION_TYPE_FLAG int
#define STK_OPTION_MEMBER(kind, name, flag, initial, lo, hi, word, help) STK_OPTION_TYPE_##kind name;

#endif
