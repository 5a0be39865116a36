# Scores of the methods of the R package surveillance for hourly counts.
#
# Input, a line each: "T area warm count count ..." (a healthy trunk; scored after `warm` hours) and
# "B id area first count count ..." (a branch that leaves that area's trunk at hour `first`, counted
# from 0). Output, a line each: "T|B id method hour score", hour counted from the start of the trunk
# and the score known at its end. Healthy days are looked at every six hours, branches every hour of
# the first day and every third after it.

suppressMessages(library(surveillance))
options(warn = -1)

daily <- function(counts, end) {
  days <- end %/% 24
  colSums(matrix(counts[(end - 24 * days + 1):end], 24))
}

# An alarm limit is linear in the quantile z; the score is the z at which it would be touched.
ears <- function(days, method) {
  n <- length(days)
  limit <- function(alpha) {
    upperbound(earsC(sts(observed = days, frequency = 7),
      control = list(method = method, range = (n - 2):n, alpha = alpha)))[3]
  }
  low <- limit(0.1); high <- limit(0.001)
  slope <- (high - low) / (qnorm(0.999) - qnorm(0.9))
  if (!is.finite(slope) || slope <= 0) return(NA)
  (days[n] - low) / slope + qnorm(0.9)
}

farrington <- function(days) {
  n <- length(days)
  weeks <- min(6, (n - 8) %/% 7)
  if (weeks < 3) return(NA)
  found <- try(farringtonFlexible(sts(observed = days, frequency = 7), control = list(
    range = n, b = weeks, w = 1, noPeriods = 1, pastWeeksNotIncluded = 0, trend = FALSE,
    thresholdMethod = "nbPlugin", alpha = 0.01)), silent = TRUE)
  if (inherits(found, "try-error")) NA else found@control$score[1]
}

# The expected count by hour of the day, on workdays, Saturdays and Sundays, from the hours before.
season <- function(counts, known, wanted) {
  class <- function(hour) {
    day <- (hour - 1) %/% 24 %% 7
    (hour - 1) %% 24 + 24 * pmax(0, day - 4)
  }
  hours <- seq_len(known)
  sums <- tapply(counts[hours], class(hours), sum)
  sizes <- tapply(hours, class(hours), length)
  due <- (sums + 0.05) / (sizes + 0.05 / max(mean(counts[hours]), 0.01))
  list(due = as.vector(due[as.character(class(wanted))]),
       past = as.vector(due[as.character(class(hours))]))
}

glr <- function(counts, known, range) {
  expected <- season(counts, known, range)
  y <- counts[seq_len(known)]; m <- expected$past
  alpha <- max(0.01, sum((y - m)^2 - m) / sum(m^2))
  found <- try(glrnb(sts(observed = counts, frequency = 168), control = list(
    range = range, c.ARL = 1e9, mu0 = expected$due, alpha = alpha, Mtilde = 1, M = 48,
    ret = "value", dir = "inc", theta = NULL)), silent = TRUE)
  if (inherits(found, "try-error")) rep(NA, length(range)) else as.vector(upperbound(found))
}

tell <- function(kind, id, method, hours, scores) {
  keep <- is.finite(scores)
  if (any(keep)) cat(sprintf("%s\t%s\t%s\t%d\t%.6g\n", kind, id, method, hours[keep], scores[keep]),
                     sep = "")
}

score <- function(kind, id, counts, known, hours, range) {
  for (method in c("C1", "C2")) {
    tell(kind, id, paste("EARS", method), hours,
         sapply(hours, function(end) ears(daily(counts, end), method)))
  }
  tell(kind, id, "Farrington", hours, sapply(hours, function(end) farrington(daily(counts, end))))
  values <- glr(counts, known, range)
  tell(kind, id, "glrnb", range, values)
}

trunks <- list()
input <- file("stdin")
for (line in readLines(input)) {
  part <- strsplit(line, "\t")[[1]]
  counts <- as.numeric(strsplit(part[length(part)], " ")[[1]])
  if (part[1] == "T") {
    warm <- as.integer(part[3])
    trunks[[part[2]]] <- counts
    score("T", part[2], counts, warm, seq(warm + 6, length(counts), by = 6),
          (warm + 1):length(counts))
  } else {
    first <- as.integer(part[4])
    whole <- c(trunks[[part[3]]][seq_len(first)], counts)
    ends <- first + seq_along(counts)
    far <- seq_along(counts)
    score("B", paste(part[2], part[3], sep = "\t"), whole, first,
          ends[far <= 24 | far %% 3 == 0], (first - 23):length(whole))
  }
}
close(input)
