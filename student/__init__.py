"""The student: one small vision-language model, what it may see, how it decides, how it is stored."""
