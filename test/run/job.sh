#!/usr/bin/env bash
# Whole jobs of the real binary, ranks as processes: what a user or a scheduler does to them, and
# what they must answer with.
#   test/run/job.sh BINARY CASE
set -euo pipefail

binary=$1
case_name=$2
source "$(dirname "$0")/local_job.sh"

tests_of() { # tests_of NAME: the losses on its test set, a line each
  sed -n 's/.*"kind":"test".*"loss_hex":"\([^"]*\)".*/\1/p' "$work/$1/metrics.jsonl"
}

case $case_name in
  two_runs_and_a_resume_give_the_same_bits)
    job one 24 --save "$work/one"
    job two 24 --save "$work/two"
    job half 24 --save "$work/half" --exit-interval 9
    [ -z "$(tests_of half)" ] || die "tested before the end"
    job rest 24 --save "$work/half" --load "$work/half"
    [ "$(tensors "$work/one" 24)" = "$(tensors "$work/two" 24)" ] || die "two runs differ"
    [ "$(tensors "$work/one" 24)" = "$(tensors "$work/half" 24)" ] || die "the resumed run differs"
    [ "$(tests_of one | wc -l)" = 1 ] || die "tested $(tests_of one | wc -l) times"
    [ "$(tests_of one)" = "$(tests_of half)" ] || die "the test losses differ"
    [ "$(cat "$work/half/latest_checkpointed_iteration.txt")" = 24 ] || die "tracker file"
    ;;

  sockets_give_the_bits_of_shared_memory)
    job memory 24 --save "$work/memory"
    job sockets 24 --save "$work/sockets" --comm sockets
    same_run "$work/sockets" "$work/memory" 24
    # Either may go on from where the other stopped.
    job half 24 --save "$work/half" --exit-interval 9 --comm sockets
    job rest 24 --save "$work/half" --load "$work/half"
    same_run "$work/half" "$work/memory" 24
    ;;

  a_signal_to_one_rank_saves_and_exits_75)
    job straight 60 --save "$work/straight"
    start stopped 60 --save "$work/stopped"
    wait_for stopped ' 3/60 '
    kill -TERM "$(pgrep -P "$launcher" | tail -n 1)"
    finish 75
    grep -q ' 60/60 ' "$work/stopped.out" && die "the job went on to its end"
    [ -z "$(tests_of stopped)" ] || die "tested after a signal"
    job resumed 60 --save "$work/stopped" --load "$work/stopped"
    [ "$(tensors "$work/straight" 60)" = "$(tensors "$work/stopped" 60)" ] || die "bits differ"
    ;;

  a_longer_run_in_other_epochs_is_refused)
    # One document of 1000 tokens of u16: a sample of the preset takes 256 and its border.
    printf '%b' 'MMIDIDX\0\0\01\0\0\0\0\0\0\0\010\01\0\0\0\0\0\0\0\02\0\0\0\0\0\0\0\0350\03\0\0' \
      '\0\0\0\0\0\0\0\0' '\0\0\0\0\0\0\0\0\01\0\0\0\0\0\0\0' >"$work/d.idx"
    head -c 2000 /dev/zero >"$work/d.bin"
    run=(--nproc 2 --preset tiny --cpu-threads 1 --lr-warmup-iters 0 --data-path "$work/d"
      --split 1 --eval-iters 0 --save "$work/run" --load "$work/run")
    "$binary" "${run[@]}" --load-or-init --train-iters 2 >"$work/first.out" 2>&1
    expect_message 4 "train_iters: saved 2, now 9" "${run[@]}" --train-iters 9
    expect_message 0 "train_iters: 2 -> 9" "${run[@]}" --train-iters 9 --accept-change train_iters
    [ "$(cat "$work/run/latest_checkpointed_iteration.txt")" = 9 ] || die "the run did not go on"
    ;;

  dp_doubled_or_halved_in_mid_run_goes_on_with_the_same_losses)
    run() { # run NAME DP ARGUMENT...
      "$binary" --nproc "$2" --preset tiny --mock-data --cpu-threads 1 --train-iters 16 \
        --eval-iters 0 --lr-warmup-iters 4 --save "$work/$1" "${@:3}" >"$work/$1.out" 2>&1 || die "$1"
    }
    steps() { # steps NAME: step, samples consumed, loss of the last eight steps
      sed -n 's/.*"kind":"step".*"step":\([0-9]*\),.*"loss":\([0-9.]*\),.*"consumed_samples":\([0-9]*\).*/\1 \3 \2/p' \
        "$work/$1/metrics.jsonl" | tail -n 8
    }
    for dtype in fp32:2e-5 bf16:2e-2; do # bounds of README.md
      run straight 2 --params-dtype "${dtype%:*}"
      run half 2 --params-dtype "${dtype%:*}" --exit-interval 8
      for dp in 1 4; do
        cp -r "$work/half" "$work/dp$dp"
        run "dp$dp" "$dp" --params-dtype "${dtype%:*}" --load "$work/dp$dp"
        paste <(steps straight) <(steps "dp$dp") | awk -v bound="${dtype#*:}" '
          { far = $3 - $6; if (far < 0) far = -far }
          $1 != $4 || $2 != $5 || far > bound { print "step " $1 ": " $0; bad = 1 }
          END { exit bad || NR != 8 }' >"$work/differences.out" || die "DP $dp in ${dtype%:*}"
        rm -r "$work/dp$dp"
      done
      rm -r "$work/half" "$work/straight"
    done
    ;;

  the_clock_and_the_kill_switch_end_a_run_that_goes_on_with_the_same_bits)
    run=(300 --save-interval 100)
    job straight "${run[@]}" --save "$work/straight"
    start timed "${run[@]}" --save "$work/run" --exit-duration-in-mins 0.05
    finish 75
    grep -q -- '--exit-duration-in-mins' "$work/timed.out" || die "the reason is not told"
    start killed "${run[@]}" --save "$work/run" --load "$work/run" --kill-switch "$work/stop"
    wait_for killed 'loaded everything'
    touch "$work/stop"
    finish 0
    grep -q -- '--kill-switch' "$work/killed.out" || die "the kill switch is not named"
    grep -q ' 300/300 ' "$work/killed.out" && die "the kill switch came too late to show anything"
    expect_message 2 "--kill-switch" --preset tiny --mock-data --kill-switch "$work/stop"
    job rest "${run[@]}" --save "$work/run" --load "$work/run" --exit-at "$(date -d '+1 hour' +@%s)"
    [ "$(tensors "$work/straight" 300)" = "$(tensors "$work/run" 300)" ] || die "bits differ"
    [ "$(grep -c '"exit"' "$work/run/attempts.jsonl")" = 3 ] || die "three attempts are not noted"
    ;;

  a_crash_loop_ends_with_78)
    loop=(100000 --save "$work/loop" --load "$work/loop" --load-or-init)
    for attempt in 1 2; do
      start "loop$attempt" "${loop[@]}" --max-failed-attempts 2
      wait_for "loop$attempt" ' 2/100000 '
      kill -KILL "$(pgrep -P "$launcher" | tail -n 1)"
      finish 137
    done
    start third "${loop[@]}" --max-failed-attempts 2
    finish 78
    grep -q 'attempts.jsonl' "$work/third.out" || die "the log of attempts is not named"
    start again "${loop[@]}" --max-failed-attempts 0 --exit-interval 2
    finish 0
    ;;

  the_readme_s_commands_for_one_machine_run)
    # Every line of README.md that starts the built binary or a script that takes no time to speak of.
    readme=$(dirname "$0")/../../README.md
    commands=$(sed -n 's/^build\/swallow-train/"$binary"/p; s/^\(scripts\/paper_grids.sh\).*/\1 "$binary"/p' "$readme")
    [ -n "$commands" ] || die "no command found in README.md"
    # The emulated GPU is built where there is a CUDA toolkit.
    [ -x "$binary-emulated" ] || commands=$(grep -v -- -emulated <<<"$commands")
    (cd "$(dirname "$readme")" && eval "$commands") >"$work/readme.out" 2>&1 || die "$commands"
    ;;

  bench_leaves_a_record_of_every_mode)
    tiny=(--preset tiny --cpu-threads 1 --bench-iters 3 --warmup-iters 1)
    "$binary" bench "${tiny[@]}" --output "$work/step.json" >"$work/step.out"
    "$binary" bench "${tiny[@]}" --nproc 8 --tensor-model-parallel-size 2 --sequence-parallel \
      --pipeline-model-parallel-size 2 --output "$work/grid.json" >"$work/grid.out"
    "$binary" bench "${tiny[@]}" --slice --tensor-model-parallel-size 2 --sequence-parallel \
      --pipeline-model-parallel-size 4 --output "$work/slice.json" >"$work/slice.out"
    "$binary" bench "${tiny[@]}" --ops --peak-tflops 1 --peak-bandwidth 50 \
      --output "$work/ops.json" >"$work/ops.out"
    for mode in step grid slice ops; do
      grep -q '"kind": "bench"' "$work/$mode.json" || die "$mode: no record"
      [ "$(tail -n 1 "$work/$mode.out" | grep -c "$work/$mode.json")" = 1 ] || die "$mode: not said"
    done
    # The benchmark is the training: its first loss is that of the first step.
    "$binary" --preset tiny --mock-data --cpu-threads 1 --train-iters 1 --eval-iters 0 \
      --lr-warmup-iters 0 --log-dir "$work/train" >"$work/train.out"
    loss=$(sed -n 's/.*"kind":"step".*"loss":\([0-9.]*\).*/\1/p' "$work/train/metrics.jsonl")
    grep -q "\"loss_first\": ${loss:?}" "$work/step.json" || die "first loss is not $loss"
    [ "$(grep -c '"peak_host_bytes"' "$work/grid.json")" = 8 ] || die "not every rank is recorded"
    ;;

  plan_shows_the_tables_that_the_job_prints)
    job real 1 --lr-warmup-iters 0 --async-save --save "$work/real"
    "$binary" plan --nproc 8 "${grid[@]}" --backend cpu --train-iters 1 --eval-interval 12 \
      --eval-iters 1 --lr-warmup-iters 0 --async-save --save "$work/real" >"$work/plan.out" 2>&1
    for title in Grid "Pipeline stages" "Planned memory of a rank, MiB"; do
      table=$(sed -n "/^$title\$/,/^\$/p" "$work/plan.out")
      [ "$(wc -l <<<"$table")" -gt 2 ] || die "no table '$title'"
      [ "$table" = "$(sed 's/^\[0\] //' "$work/real.out" | sed -n "/^$title\$/,/^\$/p")" ] ||
        die "'$title' differs"
    done
    grep -q 'stage 1 |.*|' "$work/plan.out" || die "no picture of the pipeline"
    expect_message 0 "node3  24-31" plan --preset 7b --nodes 4 --map
    expect_message 71 "does not fit" plan --preset 70b --nodes 8 --gpu-memory-gib 10
    expect_message 2 "56 ranks" plan --preset 70b --nodes 7
    expect_message 3 "/nowhere" plan --preset tiny --data-path /nowhere/text_document
    ;;

  hugging_face_weights_come_in_and_go_out)
    golden=$(dirname "$0")/../golden/hf_tiny_gqa
    llama=(--num-query-groups 2 --ffn-hidden-size 64 --rotary-base 500000 --seq-length 64
      --mock-data --eval-iters 0 --cpu-threads 1)
    grid=(--nproc 4 --tensor-model-parallel-size 2 --pipeline-model-parallel-size 2)
    # A step at rate 0 changes no weight, so what comes out is what went in.
    "$binary" "${llama[@]}" "${grid[@]}" --load "$golden" --train-iters 1 --lr 0 \
      --save "$work/still" --export-hf "$work/exported" >"$work/still.out" 2>&1 || die "--load"
    "$binary" compare "$golden" "$work/exported" >"$work/compare.out" || die "not the same weights"
    # Started again after its end, the job has nothing to do and its folder is no obstacle; one of
    # other weights is.
    still=("${llama[@]}" "${grid[@]}" --load "$work/still" --train-iters 1 --lr 0
      --save "$work/still")
    "$binary" "${still[@]}" --export-hf "$work/exported" >"$work/again.out" 2>&1 || die "again"
    grep -q "holds iteration 1 already" "$work/again.out" || die "not said"
    expect_message 2 "--export-hf $golden: exists" "${still[@]}" --export-hf "$golden"
    # A trained model by both ways out; on another grid it goes on from its own checkpoint.
    "$binary" "${llama[@]}" --load "$golden" --train-iters 3 --save "$work/trained" \
      --params-dtype fp32 --export-hf "$work/one" >"$work/trained.out" 2>&1 || die "training"
    "$binary" export --load "$work/trained" --output "$work/two" --max-shard-size 100KB \
      >"$work/export.out" || die "export"
    [ -e "$work/two/model-00002-of-00003.safetensors" ] || die "no second shard"
    for folder in one two; do
      "$binary" compare "$work/$folder" "$work/trained" >"$work/compare.out" || die "$folder differs"
      "$binary" inspect "$work/$folder" --verify >"$work/inspect.out" || die "inspect $folder"
    done
    expect_message 1 "different: 21 of 21 tensors" compare "$golden" "$work/trained"
    expect_message 2 "exists" export --load "$work/trained" --output "$work/one"
    expect_message 2 "--export-hf" "${llama[@]}" --load "$golden" --export-hf "$work/three"
    expect_message 4 "--num-query-groups 2: the folder has 4" "${llama[@]}" \
      --load "${golden%gqa}mha"
    expect_message 4 "--load" import --dry-run --preset tiny --load "$golden"
    ;;

  mistakes_are_refused_by_name)
    expect_message 2 "--slice" bench --preset tiny --slice --ops
    expect_message 2 "--bench-iters" bench --preset tiny --bench-iters 0
    expect_message 2 "--data-path" bench --preset tiny --data-path text_document
    expect_message 2 "/nowhere" bench --preset tiny --output /nowhere/record.json
    expect_message 2 "--lr" --preset tiny --mock-data --lr nan
    expect_message 2 "--learning-rate" --preset tiny --mock-data --learning-rate 1
    expect_message 2 "--global-batch-size" --nproc 2 --preset tiny --mock-data --global-batch-size 7
    expect_message 2 "70bb" --preset 70bb
    expect_message 2 "--data-path" --preset tiny
    expect_message 3 "/nowhere" --preset tiny --data-path /nowhere/text_document
    expect_message 3 "/nowhere/text.bin" inspect /nowhere/text.idx --verify
    expect_message 2 "--merge" preprocess --merge --append-eod --input a --output-prefix b
    expect_message 4 "--load" --preset tiny --mock-data --load "$work/empty"
    expect_message 2 "--exit-at" --preset tiny --mock-data --exit-at tomorrow
    expect_message 2 "--exit-at" --preset tiny --mock-data --exit-at 2026-01-31T18:30
    expect_message 2 "first-step" --preset tiny --mock-data --phase-timeouts forward=3
    CUDA_VISIBLE_DEVICES="" expect_message 2 "cuda" --preset tiny --mock-data --backend cuda
    ;;

  *)
    echo "unknown case $case_name" >&2
    exit 2
    ;;
esac
echo "passed: $case_name"
