#!/bin/bash
# Competes inside MLE-bench's container: /home/data is read, $SUBMISSION_DIR/submission.csv is always the best so far,
# all is over when TIME_LIMIT_SECS are. Arguments are handed on to `medalist compete`.
started=$(date +%s)
limit=${TIME_LIMIT_SECS:-86400}
margin=$((limit / 100 > 60 ? 60 : limit / 100 + 2)) # for the last copies
medalist=${MEDALIST:-/opt/medalist/bin/medalist}
python=${MEDALIST_PYTHON:-/opt/medalist/bin/python}
runs=${AGENT_DIR}/runs
mkdir -p "${SUBMISSION_DIR}" "${LOGS_DIR}" "${CODE_DIR}" "${runs}"
cd "${AGENT_DIR}" || exit 1

"${python}" "${AGENT_DIR}/deliver.py" /home/data "${runs}" "${SUBMISSION_DIR}/submission.csv" > "${LOGS_DIR}/deliver.log" 2>&1 &
deliverer=$!

# Trials run in a sandbox of their own. Where the container's runtime forbids one, the container is the only wall.
sandbox=()
if ! ${medalist} doctor --quick > "${LOGS_DIR}/doctor.log" 2>&1; then
  echo "no sandbox inside this container (see doctor.log): --unsafe-no-sandbox"
  sandbox=(--unsafe-no-sandbox)
fi

# The layout that `mlebench:ID` reads, so that archives, further tables and images are laid out too.
id=${COMPETITION_ID:-competition}
mkdir -p "${AGENT_DIR}/mlebench/${id}/prepared"
ln -sfn /home/data "${AGENT_DIR}/mlebench/${id}/prepared/public"

budget=$((limit - margin - ($(date +%s) - started)))
budget=$((budget < 5 ? 5 : budget)) # where the start alone took the time: something valid at least
timeout --kill-after=5 "$((budget + margin / 2))" ${medalist} compete "mlebench:${id}" --budget "${budget}" \
  --mlebench-data "${AGENT_DIR}/mlebench" --runs "${runs}" --data "${AGENT_DIR}/data" "${sandbox[@]}" "$@" > "${LOGS_DIR}/medalist.log" 2>&1
code=$?
if [ ${code} -eq 124 ] || [ ${code} -eq 137 ]; then
  echo "timed out after $(($(date +%s) - started)) s: the best submission until then counts"
  code=0
fi

kill -TERM ${deliverer} 2> /dev/null
wait ${deliverer}
latest=$(ls -td "${runs}"/*/*/ 2> /dev/null | head -1)
if [ -n "${latest}" ]; then
  cp -r "${latest}solution/." "${CODE_DIR}/" 2> /dev/null
  cp "${latest}report.html" "${LOGS_DIR}/" 2> /dev/null
fi
tail -n 25 "${LOGS_DIR}/medalist.log"
exit ${code}
